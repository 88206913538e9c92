//! The rows of the tables, and how they are read.

/// The tensors of one kind of module.
#[derive(Debug)]
pub struct Part {
    /// The tensors, module by module. If two groups have the same tensor of ours, the
    /// first one says how it is written; the others are other spellings of it.
    pub groups: &'static [Group],
    /// Tensors that no model here needs: names as in the groups, with `{}` for a number
    /// and, at the end, `*` for anything.
    pub unused: &'static [&'static str],
}

/// The tensors of one module.
#[derive(Debug)]
pub struct Group {
    /// Prefix in a checkpoint; `{}` stands for a number.
    pub theirs: &'static str,
    /// Prefix in a model's file; `{}` stands for the layer's number.
    pub ours: &'static str,
    /// How the two numbers belong together.
    pub numbering: Numbering,
    /// What follows the prefixes.
    pub rows: &'static [Row],
}

/// How the numbers of a module on both sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// They are the same.
    Same,
    /// The same, and the module may be wrapped by another ([`Place::wrapper`]).
    Wrapped,
    /// Theirs counts the cross-attention blocks, ours names the layer behind the block.
    Blocks,
}

/// One tensor of ours.
#[derive(Debug)]
pub struct Row {
    /// The tensors that its rows lie in, one below the other: one tensor, or several.
    pub theirs: &'static [&'static str],
    /// Its name.
    pub ours: &'static str,
    /// The order of its rows.
    pub order: Order,
}

/// Order of a matrix's rows, or of a bias' elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As in the checkpoint.
    AsIs,
    /// The checkpoint has queries, keys and values head by head, `[heads, 3, head width]`
    /// (GPT-NeoX); ours has all queries first, `[3, heads, head width]`.
    HeadByHead,
    /// The checkpoint has the two coordinates of a head that turn together side by side
    /// (llama.cpp's LLaMA); ours has them half a head apart, as transformers does.
    SideBySide,
}

/// Where a part stands among the names of a file.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The part.
    pub part: &'static Part,
    /// Before every name.
    pub prefix: &'static str,
    /// Behind the number of a [wrapped](Numbering::Wrapped) module, in files where the
    /// cross-attention stands beside it; it may be missing.
    pub wrapper: &'static str,
}

/// Before which layers cross-attention blocks stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// A block before every n-th layer.
    pub every: usize,
    /// The first layer with a block.
    pub offset: usize,
}

/// The meaning of a name in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A tensor of ours, or a piece of one.
    Piece(Piece),
    /// A tensor that no model here needs.
    Unused,
}

/// A tensor of ours, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Our name.
    pub ours: String,
    /// Which piece, from the top.
    pub piece: usize,
    /// How many pieces there are.
    pub pieces: usize,
    /// Order of the rows.
    pub order: Order,
    /// Number of the group in its part, so that two spellings are told apart.
    pub group: usize,
}

/// A row whose tensor lies in one tensor, in the same order.
pub(super) const fn row(theirs: &'static [&'static str], ours: &'static str) -> Row {
    Row {
        theirs,
        ours,
        order: Order::AsIs,
    }
}

/// A module whose numbers are the same on both sides.
pub(super) const fn group(theirs: &'static str, ours: &'static str, rows: &'static [Row]) -> Group {
    Group {
        theirs,
        ours,
        numbering: Numbering::Same,
        rows,
    }
}

/// A decoder layer, which may be wrapped.
pub(super) const fn layers(theirs: &'static str, rows: &'static [Row]) -> Group {
    Group {
        theirs,
        ours: "blk.{}.",
        numbering: Numbering::Wrapped,
        rows,
    }
}

impl Blocks {
    /// For parts whose names do not depend on it.
    pub const NONE: Self = Self {
        every: 1,
        offset: 0,
    };
}

impl Place {
    /// A part whose names stand in a file as they are in its table.
    pub const fn bare(part: &'static Part) -> Self {
        Self::behind("", part)
    }

    /// A part behind a prefix.
    pub const fn behind(prefix: &'static str, part: &'static Part) -> Self {
        Self {
            part,
            prefix,
            wrapper: "",
        }
    }

    /// A part behind a prefix, its layers in a wrapper.
    pub const fn wrapped(prefix: &'static str, wrapper: &'static str, part: &'static Part) -> Self {
        Self {
            part,
            prefix,
            wrapper,
        }
    }

    /// The meaning of the tensor `name` of a file; `None` if it is none of this part.
    pub fn ours(&self, name: &str, blocks: Blocks) -> Option<Found> {
        let name = name.strip_prefix(self.prefix)?;
        for (number_of_group, group) in self.part.groups.iter().enumerate() {
            let Some((number, mut rest)) = split(group.theirs, name) else {
                continue;
            };
            if group.numbering == Numbering::Wrapped {
                rest = rest.strip_prefix(self.wrapper).unwrap_or(rest);
            }
            let piece_of = |row: &Row| row.theirs.iter().position(|theirs| *theirs == rest);
            let found = group
                .rows
                .iter()
                .find_map(|row| Some((row, piece_of(row)?)));
            let Some((row, piece)) = found else {
                continue;
            };
            let number = match (group.numbering, number) {
                (Numbering::Blocks, Some(block)) => Some(
                    block
                        .checked_mul(blocks.every)?
                        .checked_add(blocks.offset)?,
                ),
                (_, number) => number,
            };
            return Some(Found::Piece(Piece {
                ours: join(group.ours, number, row.ours),
                piece,
                pieces: row.theirs.len(),
                order: row.order,
                group: number_of_group,
            }));
        }
        let mut unused = self.part.unused.iter();
        let is_unused = unused.any(|pattern| matches_pattern(pattern, name));
        is_unused.then_some(Found::Unused)
    }

    /// The tensors of a file that make up our tensor `name`, from the top, and the order of
    /// its rows; `None` if it is none of this part.
    pub fn theirs(&self, name: &str, blocks: Blocks) -> Option<(Vec<String>, Order)> {
        for group in self.part.groups {
            let Some((number, rest)) = split(group.ours, name) else {
                continue;
            };
            let Some(row) = group.rows.iter().find(|row| row.ours == rest) else {
                continue;
            };
            let number = match (group.numbering, number) {
                (Numbering::Blocks, Some(layer)) => {
                    let behind = layer.checked_sub(blocks.offset)?;
                    behind.is_multiple_of(blocks.every).then_some(())?;
                    Some(behind / blocks.every)
                }
                (_, number) => number,
            };
            let wrapper = match group.numbering {
                Numbering::Wrapped => self.wrapper,
                Numbering::Same | Numbering::Blocks => "",
            };
            let theirs = row.theirs.iter().map(|theirs| {
                let name = join(group.theirs, number, &format!("{wrapper}{theirs}"));
                format!("{}{name}", self.prefix)
            });
            return Some((theirs.collect(), row.order));
        }
        None
    }
}

impl Order {
    /// The row of the checkpoint that is row `row` of ours, in a matrix of `rows` rows with
    /// heads of `width` rows; `None` if the rows are no whole number of heads, or of queries,
    /// keys and values of heads, or a head has no halves.
    pub fn source_row(self, row: usize, rows: usize, width: usize) -> Option<usize> {
        match self {
            Self::AsIs => Some(row),
            Self::HeadByHead => {
                let of_head = width.checked_mul(3).filter(|&of_head| of_head > 0)?;
                let heads = rows.is_multiple_of(of_head).then_some(rows / of_head)?;
                if heads == 0 {
                    return None;
                }
                let kind = row / (heads * width);
                let (head, inner) = (row / width % heads, row % width);
                Some((head * 3 + kind) * width + inner)
            }
            Self::SideBySide => {
                let has_halves = width > 0 && width.is_multiple_of(2);
                if !has_halves || !rows.is_multiple_of(width) {
                    return None;
                }
                let (half, inner) = (width / 2, row % width);
                Some(row - inner + 2 * (inner % half) + inner / half)
            }
        }
    }
}

/// Splits `name` at `prefix`, in which `{}` stands for a number: the number, if there is
/// one, and what follows.
fn split<'a>(prefix: &str, name: &'a str) -> Option<(Option<usize>, &'a str)> {
    let Some((before, after)) = prefix.split_once("{}") else {
        return Some((None, name.strip_prefix(prefix)?));
    };
    let (number, rest) = leading_number(name.strip_prefix(before)?)?;
    Some((Some(number), rest.strip_prefix(after)?))
}

/// The number at the start of a text, and the rest. Only the shortest form of a number
/// counts, so that names map one to one.
fn leading_number(text: &str) -> Option<(usize, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.len() > 1 && number.starts_with('0') {
        return None;
    }
    // No model has as many layers as a `u16` counts.
    Some((usize::from(number.parse::<u16>().ok()?), rest))
}

/// The inverse of [`split`].
fn join(prefix: &str, number: Option<usize>, rest: &str) -> String {
    match number {
        None => format!("{prefix}{rest}"),
        Some(number) => format!("{}{rest}", prefix.replacen("{}", &number.to_string(), 1)),
    }
}

/// Whether `name` is what a pattern of unused names says.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let rest = match pattern.split_once("{}") {
        None => (pattern, name),
        Some((before, after)) => {
            let Some(numbered) = name.strip_prefix(before).and_then(leading_number) else {
                return false;
            };
            (after, numbered.1)
        }
    };
    match rest.0.strip_suffix('*') {
        Some(start) => rest.1.starts_with(start),
        None => rest.0 == rest.1,
    }
}
