//! The WGSL programs: which there are, and how a variant's text is put together.
//!
//! The text is a pure function of [`Program`], and [`Program`] is the key Burn
//! caches pipelines by, so no two texts can share a pipeline.

use burn_wgpu::{CubeDim, KernelSource, SourceTemplate};
use cubecl::prelude::{ExecutionMode, KernelId};
use flamingo_weights::TensorType;

use crate::activation::Activation;
use crate::norm::NormKind;
use crate::query_key_norm::NormExtent;
use crate::rope::RopeStyle;

/// Invocations of a workgroup, where a program has no reason for others.
pub(super) const WORKGROUP: u32 = 64;

/// Invocations of a workgroup where each has a head, or half of one: few, so that the heads
/// of a single query are shared among processors.
pub(super) const HEAD_WORKGROUP: u32 = 16;

/// A program, every choice that its text depends on included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Program {
    /// Matrix product with weights in blocks, a few weight rows an invocation, `tile`
    /// activation rows.
    LinearBlocks {
        format: Format,
        tile: u32,
        fused: Fused,
    },
    /// Matrix product, `columns` weight rows an invocation, `tile` activation
    /// rows.
    LinearRows {
        format: Format,
        tile: u32,
        columns: u32,
        fused: Fused,
    },
    /// Matrix product, 16 invocations a weight row, `tile` activation rows.
    LinearSplit {
        format: Format,
        tile: u32,
        fused: Fused,
    },
    /// Matrix product of 32 × 64 tiles in workgroup memory.
    LinearTiled { format: Format, fused: Fused },
    /// Rows unpacked, and added to others.
    Embed { format: Format, added: bool },
    /// Layer norm.
    LayerNorm { bias: bool },
    /// RMS norm.
    RmsNorm,
    /// Rotary embedding, of heads alone or of queries, keys and values that are
    /// appended; positions that do not follow one another lie in a buffer.
    Rope {
        style: RopeStyle,
        listed: bool,
        append: bool,
    },
    /// Rotary embedding of queries and keys that are normalised before and appended with
    /// the values: a workgroup for each head, or an invocation.
    RopeNormed {
        style: RopeStyle,
        listed: bool,
        extent: NormExtent,
        norm: NormKind,
        shared: bool,
    },
    /// Attention, a workgroup for each head of each query.
    AttentionSplit { spans: SpanSource, alibi: bool },
    /// Attention, one or two invocations for each head of so many vectors of each query.
    AttentionRows {
        spans: SpanSource,
        alibi: bool,
        head_vectors: u32,
    },
    /// Convolution, and a function of each number of it.
    Conv2d {
        bias: bool,
        activation: Option<Activation>,
    },
    /// A function of each number.
    Activation(Activation),
    /// A function of half a row times its other half.
    Gated(Activation),
    /// `x + scale * y`, with a scale for each of the columns or one for all.
    AddScaled { columns: bool },
    /// Numbers copied to a place in a buffer, by fours where they come so.
    Copy { fours: bool },
    /// Products and sums in registers, to measure how many a device can do.
    MultiplyAdd,
    /// Refused by every compiler, to test that refusals surface.
    #[cfg(test)]
    Broken,
}

/// What a matrix product does besides: see [`Fusion`](crate::Fusion).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Fused {
    /// Of the activation rows.
    pub(super) norm: Option<NormKind>,
    pub(super) bias: bool,
    pub(super) finish: FusedFinish,
}

/// What is done with a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum FusedFinish {
    #[default]
    Sum,
    Activation(Activation),
    Gated(Activation),
    /// With a scale for each of the columns, or one for all.
    AddTo {
        columns: bool,
    },
}

/// Where attention finds which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SpanSource {
    /// A rule in the uniform.
    Rule,
    /// A buffer of spans.
    Pairs,
    /// A shared span and a buffer of branches.
    Branches,
}

/// How a program reads packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// Rows of a multiple of eight `f32`.
    F32,
    /// Rows of any length.
    F32Ragged,
    /// Rows of a multiple of eight `f16`.
    F16,
    /// Rows of any length.
    F16Ragged,
    Q8_0,
    Q4_0,
    Q4_1,
}

impl Format {
    pub(super) fn of(tensor_type: TensorType, cols: usize) -> Self {
        let ragged = !cols.is_multiple_of(8);
        match tensor_type {
            TensorType::F32 if ragged => Self::F32Ragged,
            TensorType::F32 => Self::F32,
            TensorType::F16 if ragged => Self::F16Ragged,
            TensorType::F16 => Self::F16,
            TensorType::Q8_0 => Self::Q8_0,
            TensorType::Q4_0 => Self::Q4_0,
            TensorType::Q4_1 => Self::Q4_1,
        }
    }

    pub(super) fn is_ragged(self) -> bool {
        matches!(self, Self::F32Ragged | Self::F16Ragged)
    }

    /// The functions `fractions` and `scales`, where the format has blocks.
    fn block_text(self) -> Option<&'static str> {
        match self {
            Self::F32 | Self::F32Ragged | Self::F16 | Self::F16Ragged => None,
            Self::Q8_0 => Some(include_str!("fractions_q8_0.wgsl")),
            Self::Q4_0 => Some(include_str!("fractions_q4_0.wgsl")),
            Self::Q4_1 => Some(include_str!("fractions_q4_1.wgsl")),
        }
    }

    /// Whether one scale is for several numbers.
    pub(super) fn has_blocks(self) -> bool {
        self.block_text().is_some()
    }

    /// The functions `load`, `column_a` and `column_b` of this format.
    fn text(self) -> &'static str {
        match self {
            Self::F32 => include_str!("format_f32.wgsl"),
            Self::F32Ragged => include_str!("format_f32_ragged.wgsl"),
            Self::F16 => include_str!("format_f16.wgsl"),
            Self::F16Ragged => include_str!("format_f16_ragged.wgsl"),
            Self::Q8_0 => include_str!("format_q8_0.wgsl"),
            Self::Q4_0 => include_str!("format_q4_0.wgsl"),
            Self::Q4_1 => include_str!("format_q4_1.wgsl"),
        }
    }
}

impl Program {
    /// The workgroup, as the text declares it too.
    pub(super) fn cube_dim(&self) -> CubeDim {
        CubeDim::new_1d(match self {
            Self::LinearBlocks {
                format,
                tile,
                fused,
            } => WORKGROUP / block_columns(*format, *tile, *fused),
            Self::LinearTiled { .. } => 128,
            Self::AttentionRows { .. } | Self::RopeNormed { shared: false, .. } => HEAD_WORKGROUP,
            _ => WORKGROUP,
        })
    }

    /// The text; bindings are numbered in the order of their declaration.
    fn text(&self) -> String {
        let text = match self {
            Self::LinearBlocks {
                format,
                tile,
                fused,
            } => {
                let columns = block_columns(*format, *tile, *fused);
                let blocks = format
                    .block_text()
                    .expect("invariant: such a program is made for blocks");
                let text = with_weights(
                    &[blocks, include_str!("linear_blocks.wgsl")].concat(),
                    include_str!("activations_normed_row.wgsl"),
                    *format,
                    *fused,
                );
                let text = unrolled(&text, " // steps", '%', 4);
                let text = unrolled(&text, " // columns", '$', columns);
                unrolled(&text, " // each", '#', *tile)
                    .replace("TILE", &format!("{tile}u"))
                    .replace("COLUMNS", &format!("{columns}u"))
                    .replace("INVOCATIONS", &format!("{}u", WORKGROUP / columns))
            }
            Self::LinearRows {
                format,
                tile,
                columns,
                fused,
            } => {
                let text = with_weights(include_str!("linear_rows.wgsl"), "", *format, *fused);
                let text = unrolled(&text, " // columns", '$', *columns);
                unrolled(&text, " // each", '#', *tile)
                    .replace("COLUMNS", &format!("{columns}u"))
                    .replace("TILE", &format!("{tile}u"))
            }
            Self::LinearSplit {
                format,
                tile,
                fused,
            } => {
                let text = with_weights(
                    include_str!("linear_split.wgsl"),
                    concat!(
                        include_str!("activations_normed.wgsl"),
                        include_str!("reduce.wgsl")
                    ),
                    *format,
                    *fused,
                );
                unrolled(&text, " // each", '#', *tile).replace("TILE", &format!("{tile}u"))
            }
            Self::LinearTiled { format, fused } => {
                with_weights(include_str!("linear_tiled.wgsl"), "", *format, *fused)
            }
            Self::Embed { format, added } => [
                &with_lines(include_str!("embed.wgsl"), "added", *added),
                include_str!("half.wgsl"),
                format.text(),
            ]
            .concat(),
            Self::LayerNorm { bias } => {
                with_bias(include_str!("layer_norm.wgsl"), *bias) + include_str!("reduce.wgsl")
            }
            Self::RmsNorm => [include_str!("rms_norm.wgsl"), include_str!("reduce.wgsl")].concat(),
            Self::Rope {
                style,
                listed,
                append,
            } => {
                let text = with_lines(include_str!("rope.wgsl"), "listed", *listed);
                with_lines(&text, "append", *append) + &pairing_text(*style)
            }
            Self::RopeNormed {
                style,
                listed,
                extent,
                norm,
                shared,
            } => {
                let text = with_lines(include_str!("rope_normed.wgsl"), "listed", *listed);
                let text = with_lines(&text, "shared", *shared);
                let text = with_norm(&text, *norm);
                let text = with_lines(&text, "heads", *extent == NormExtent::Head);
                let (lanes, step, sum) = match shared {
                    true => (WORKGROUP, WORKGROUP, include_str!("reduce.wgsl")),
                    false => (HEAD_WORKGROUP, 1, ""),
                };
                let text = text
                    .replace("LANES", &format!("{lanes}u"))
                    .replace("STEP", &format!("{step}u"));
                text + sum + &pairing_text(*style)
            }
            Self::AttentionSplit { spans, alibi } => {
                let text = concat!(
                    include_str!("attention.wgsl"),
                    include_str!("attention_split.wgsl")
                );
                with_spans(text, *spans, *alibi) + include_str!("reduce.wgsl")
            }
            Self::AttentionRows {
                spans,
                alibi,
                head_vectors,
            } => {
                let half = head_vectors / invocations_a_head(*head_vectors);
                let text = concat!(
                    include_str!("attention.wgsl"),
                    include_str!("attention_rows.wgsl")
                );
                let text = with_spans(text, *spans, *alibi);
                let text = unrolled(&text, " // vectors", '#', *head_vectors);
                unrolled(&text, " // half", '#', half)
                    .replace("VECTORS", &format!("{head_vectors}u"))
                    .replace("HALF", &format!("{half}u"))
            }
            Self::Conv2d { bias, activation } => {
                let text = with_bias(include_str!("conv2d.wgsl"), *bias);
                with_lines(&text, "activation", activation.is_some())
                    + activation.map_or("", function_text)
            }
            Self::Activation(function) => {
                [include_str!("activation.wgsl"), function_text(*function)].concat()
            }
            Self::Gated(function) => {
                [include_str!("gated.wgsl"), function_text(*function)].concat()
            }
            Self::AddScaled { columns } => {
                with_lines(include_str!("add_scaled.wgsl"), "columns", *columns)
            }
            Self::Copy { fours } => with_lines(include_str!("copy.wgsl"), "fours", *fours),
            Self::MultiplyAdd => include_str!("multiply_add.wgsl").to_string(),
            #[cfg(test)]
            Self::Broken => "@compute @workgroup_size(64) fn main() { nonsense(); }".to_string(),
        };
        numbered_bindings(&text)
    }
}

/// The function `apply`.
fn function_text(function: Activation) -> &'static str {
    match function {
        Activation::GeluErf => include_str!("gelu_erf.wgsl"),
        Activation::GeluTanh => include_str!("gelu_tanh.wgsl"),
        Activation::QuickGelu => include_str!("quick_gelu.wgsl"),
        Activation::Silu => include_str!("silu.wgsl"),
        Activation::Relu => include_str!("relu.wgsl"),
        Activation::Relu6 => include_str!("relu6.wgsl"),
        Activation::SquaredRelu => include_str!("squared_relu.wgsl"),
    }
}

/// The function `place_in_pair`.
fn pairing_text(style: RopeStyle) -> String {
    let pairing = match style {
        RopeStyle::Pairs => include_str!("rope_pairs.wgsl"),
        RopeStyle::Halves => include_str!("rope_halves.wgsl"),
    };
    [include_str!("rope_half.wgsl"), pairing].concat()
}

/// `text` with the lines of a kind of norm.
fn with_norm(text: &str, norm: NormKind) -> String {
    let text = with_lines(text, "centred", matches!(norm, NormKind::Layer { .. }));
    with_lines(&text, "norm bias", norm == NormKind::Layer { bias: true })
}

/// Invocations of [`Program::AttentionRows`] that share a head of so many vectors.
pub(super) fn invocations_a_head(vectors: u32) -> u32 {
    if vectors.is_multiple_of(2) { 2 } else { 1 }
}

/// `text` of an attention with what finds the keys of a query and where they count less
/// the farther they are.
fn with_spans(text: &str, spans: SpanSource, alibi: bool) -> String {
    let text = with_lines(text, "rule", spans == SpanSource::Rule);
    let text = with_lines(&text, "pairs", spans == SpanSource::Pairs);
    let text = with_lines(&text, "branches", spans == SpanSource::Branches);
    with_lines(&text, "alibi", alibi)
}

/// Results that an invocation of [`Program::LinearBlocks`] makes of an activation row, as
/// many as are fast on SwiftShader; the workgroup makes [`WORKGROUP`] of them.
fn block_columns(format: Format, tile: u32, fused: Fused) -> u32 {
    let rows = match (format, tile) {
        (Format::Q8_0, 1) => 2,
        _ => 4,
    };
    // With a gate to each a result takes two rows.
    match fused.finish {
        FusedFinish::Gated(_) => rows / 2,
        _ => rows,
    }
}

/// `text` with weights of `format` to read and what is `fused` with the product;
/// `normed` reads activations through a norm.
fn with_weights(text: &str, normed: &str, format: Format, fused: Fused) -> String {
    let activations = match fused.norm {
        Some(norm) => with_norm(normed, norm),
        None if format.is_ragged() => include_str!("activations_ragged.wgsl").to_owned(),
        None => include_str!("activations.wgsl").to_owned(),
    };
    let function = match fused.finish {
        FusedFinish::Activation(function) | FusedFinish::Gated(function) => function_text(function),
        FusedFinish::Sum | FusedFinish::AddTo { .. } => "",
    };
    let activation = matches!(fused.finish, FusedFinish::Activation(_));
    let gates = matches!(fused.finish, FusedFinish::Gated(_));
    let addend = matches!(fused.finish, FusedFinish::AddTo { .. });
    let columns = fused.finish == FusedFinish::AddTo { columns: true };
    let head = with_lines(include_str!("linear.wgsl"), "gates", gates);
    let head = with_bias(&head, fused.bias);
    let head = with_lines(&head, "activation", activation);
    let head = with_lines(&head, "column scales", columns);
    let head = with_lines(&head, "addend", addend);
    let text = with_lines(text, "gates", gates);
    let text = with_lines(&text, "norm", fused.norm.is_some());
    [
        &activations,
        &head,
        include_str!("half.wgsl"),
        format.text(),
        function,
        &text,
    ]
    .concat()
}

/// `text` with or without the lines about a bias.
fn with_bias(text: &str, bias: bool) -> String {
    with_lines(text, "bias", bias)
}

/// Keeps the lines that end in `// if name` or those in `// if no name`, without that
/// mark.
fn with_lines(text: &str, name: &str, present: bool) -> String {
    let marks = [format!(" // if {name}"), format!(" // if no {name}")];
    let [kept, dropped] = if present {
        marks
    } else {
        let [with, without] = marks;
        [without, with]
    };
    text.lines()
        .filter(|line| !line.ends_with(&dropped))
        .flat_map(|line| [line.strip_suffix(&kept).unwrap_or(line), "\n"])
        .collect()
}

/// Repeats every line that ends in `mark` `count` times, `place` standing for 0,
/// 1, …: what a loop would do, with registers instead of an indexed array.
fn unrolled(text: &str, mark: &str, place: char, count: u32) -> String {
    let mut unrolled = String::with_capacity(2 * text.len());
    for line in text.lines() {
        match line.strip_suffix(mark) {
            Some(line) => {
                for i in 0..count {
                    unrolled.push_str(&line.replace(place, &i.to_string()));
                    unrolled.push('\n');
                }
            }
            None => {
                unrolled.push_str(line);
                unrolled.push('\n');
            }
        }
    }
    unrolled
}

/// Writes `@group(0) @binding(n)` before every `var<storage` and `var<uniform`
/// at the start of a line.
fn numbered_bindings(text: &str) -> String {
    let mut binding = 0;
    let mut numbered = String::with_capacity(text.len() + 200);
    for line in text.lines() {
        if line.starts_with("var<storage") || line.starts_with("var<uniform") {
            numbered.push_str(&format!("@group(0) @binding({binding}) "));
            binding += 1;
        }
        numbered.push_str(line);
        numbered.push('\n');
    }
    numbered
}

impl KernelSource for Program {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.text())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>()
            .info(self.clone())
            .cube_dim(self.cube_dim().into())
            // Checked mode adds a counter to every loop; ours end by themselves.
            .mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn lines_are_kept_and_repeated_by_their_marks() {
        let text = "a // if bias\nb // if no bias\nc\n";
        assert_eq!(with_lines(text, "bias", true), "a\nc\n");
        assert_eq!(with_lines(text, "bias", false), "b\nc\n");
        let text = unrolled("x#; // each\ny\n", " // each", '#', 2);
        assert_eq!(text, "x0;\nx1;\ny\n");
    }

    const FORMATS: [Format; 7] = [
        Format::F32,
        Format::F32Ragged,
        Format::F16,
        Format::F16Ragged,
        Format::Q8_0,
        Format::Q4_0,
        Format::Q4_1,
    ];
    const NORMS: [NormKind; 3] = [
        NormKind::Rms,
        NormKind::Layer { bias: false },
        NormKind::Layer { bias: true },
    ];

    /// Every product with what may be fused with it, of few functions.
    fn products() -> Vec<Program> {
        let mut all = Vec::new();
        let none_and_norms = [None].into_iter().chain(NORMS.map(Some));
        let finishes = [
            FusedFinish::Sum,
            FusedFinish::Activation(Activation::GeluErf),
            FusedFinish::Gated(Activation::Silu),
            FusedFinish::AddTo { columns: false },
            FusedFinish::AddTo { columns: true },
        ];
        for norm in none_and_norms {
            for (bias, finish) in finishes.iter().flat_map(|&f| [(false, f), (true, f)]) {
                let fused = Fused { norm, bias, finish };
                let gated = matches!(finish, FusedFinish::Gated(_));
                for format in FORMATS {
                    if norm.is_none() || !format.is_ragged() {
                        all.extend((1..=4).map(|tile| Program::LinearSplit {
                            format,
                            tile,
                            fused,
                        }));
                    }
                    if format.has_blocks() {
                        all.push(Program::LinearBlocks {
                            format,
                            tile: 1,
                            fused,
                        });
                    }
                    if norm.is_some() || gated {
                        continue;
                    }
                    if format.has_blocks() {
                        all.push(Program::LinearBlocks {
                            format,
                            tile: 4,
                            fused,
                        });
                    }
                    all.extend([1, 4].map(|tile| Program::LinearRows {
                        format,
                        tile,
                        columns: tile,
                        fused,
                    }));
                    all.push(Program::LinearTiled { format, fused });
                }
            }
        }
        all
    }

    /// Every other program.
    fn other_programs() -> Vec<Program> {
        let mut all = vec![Program::RmsNorm, Program::MultiplyAdd];
        for function in Activation::ALL {
            all.extend([Program::Activation(function), Program::Gated(function)]);
            all.extend([false, true].map(|bias| Program::Conv2d {
                bias,
                activation: Some(function),
            }));
        }
        for yes in [false, true] {
            all.extend(FORMATS.map(|format| Program::Embed { format, added: yes }));
            all.extend([
                Program::LayerNorm { bias: yes },
                Program::AddScaled { columns: yes },
                Program::Copy { fours: yes },
                Program::Conv2d {
                    bias: yes,
                    activation: None,
                },
            ]);
            for spans in [SpanSource::Rule, SpanSource::Pairs, SpanSource::Branches] {
                all.push(Program::AttentionSplit { spans, alibi: yes });
                all.extend([1, 3, 16, 64].map(|head_vectors| Program::AttentionRows {
                    spans,
                    alibi: yes,
                    head_vectors,
                }));
            }
            for style in [RopeStyle::Pairs, RopeStyle::Halves] {
                for other in [false, true] {
                    all.push(Program::Rope {
                        style,
                        listed: yes,
                        append: other,
                    });
                    for (extent, norm) in [NormExtent::Head, NormExtent::Row]
                        .into_iter()
                        .flat_map(|extent| NORMS.map(|norm| (extent, norm)))
                    {
                        all.push(Program::RopeNormed {
                            style,
                            listed: yes,
                            extent,
                            norm,
                            shared: other,
                        });
                    }
                }
            }
        }
        all
    }

    /// By naga, without a capability that WebGPU does not promise: a program that a browser
    /// refuses takes its whole submission with it.
    #[test]
    fn every_program_is_valid_and_within_webgpus_guarantees() {
        use naga::AddressSpace;
        use naga::valid::{Capabilities, ValidationFlags, Validator};

        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        for program in products().into_iter().chain(other_programs()) {
            let text = program.text();
            for mark in [
                " // if ",
                " // each",
                " // columns",
                " // steps",
                " // vectors",
            ] {
                assert!(!text.contains(mark), "no{mark} is left: {text}");
            }
            let module = match naga::front::wgsl::parse_str(&text) {
                Ok(module) => module,
                Err(error) => panic!("{program:?}: {}", error.emit_to_string(&text)),
            };
            if let Err(error) = validator.validate(&module) {
                panic!("{program:?}: {}", error.emit_to_string(&text));
            }
            let sizes = |wanted: fn(AddressSpace) -> bool| -> Vec<u32> {
                let all = module.global_variables.iter();
                all.filter(|(_, variable)| wanted(variable.space))
                    .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
                    .collect()
            };
            let storage = sizes(|space| matches!(space, AddressSpace::Storage { .. }));
            assert!(
                storage.len() <= 8,
                "{program:?} has {} buffers",
                storage.len()
            );
            let shared: u32 = sizes(|space| space == AddressSpace::WorkGroup).iter().sum();
            assert!(shared <= 16 << 10, "{program:?} shares {shared} bytes");
            let [x, y, z] = module.entry_points[0].workgroup_size;
            assert_eq!([x, y, z], [program.cube_dim().x, 1, 1], "{program:?}");
            assert!(x <= 256, "{program:?} has {x} invocations");
        }
    }

    /// A refused program is told from a valid one.
    #[test]
    fn a_broken_program_is_not_valid() {
        assert!(naga::front::wgsl::parse_str(&Program::Broken.text()).is_err());
    }
}
