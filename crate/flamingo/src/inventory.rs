//! The tensors a configuration asks for: names, shapes, and how each is used.
//!
//! This is the one list a loader checks untrusted files against and a
//! converter fills. Names are those of the GGUF container
//! (`flamingo_weights::names` maps them to OpenFlamingo's).

use crate::config::{
    ClipVitConfig, CrossAttentionConfig, EfficientNetLiteConfig, FlamingoConfig, LanguageConfig,
    LanguageKind, ResamplerConfig, VisionEncoderConfig,
};

/// How a tensor is held once loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorRole {
    /// Weight of a linear layer or embedding table, kept in its packed blocks.
    Matrix,
    /// Small parameters (norms, biases, embeddings, convolution kernels), held as f32.
    Dense,
    /// A gate: one number, held by the host.
    Gate,
}

/// One tensor of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the GGUF container.
    pub name: String,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// How it is held.
    pub role: TensorRole,
    /// The stack of matrices that it is a part of, in the order of this list: they read
    /// the same input.
    pub stack: Option<String>,
}

impl FlamingoConfig {
    /// All tensors of the model, in load order: the language model with each
    /// cross-attention block right before its layer, then the resampler, then
    /// the vision encoder.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = Inventory(Vec::new());
        list.language(&self.language, &self.cross_attention, self.resampler.width);
        list.resampler(&self.resampler);
        match &self.vision.encoder {
            VisionEncoderConfig::EfficientNetLite(encoder) => list.efficientnet_lite(encoder),
            VisionEncoderConfig::ClipVit(encoder) => {
                list.clip_vit(encoder, self.vision.image_size);
            }
        }
        list.0
    }
}

struct Inventory(Vec<TensorSpec>);

impl Inventory {
    fn add(&mut self, name: String, shape: &[usize], role: TensorRole) {
        self.0.push(TensorSpec {
            name,
            shape: shape.to_vec(),
            role,
            stack: None,
        });
    }

    /// Matrices of so many rows each, one below the other.
    fn stack(&mut self, name: &str, parts: &[(String, usize)], cols: usize) {
        for (part, rows) in parts {
            self.0.push(TensorSpec {
                name: part.clone(),
                shape: vec![*rows, cols],
                role: TensorRole::Matrix,
                stack: Some(name.to_owned()),
            });
        }
    }

    fn matrix(&mut self, name: impl Into<String>, rows: usize, cols: usize) {
        self.add(name.into(), &[rows, cols], TensorRole::Matrix);
    }

    fn dense(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.add(name.into(), shape, TensorRole::Dense);
    }

    fn layer_norm(&mut self, name: &str, width: usize) {
        self.dense(format!("{name}.weight"), &[width]);
        self.dense(format!("{name}.bias"), &[width]);
    }

    fn biased(&mut self, name: &str, rows: usize, cols: usize) {
        self.matrix(format!("{name}.weight"), rows, cols);
        self.dense(format!("{name}.bias"), &[rows]);
    }

    fn language(
        &mut self,
        config: &LanguageConfig,
        cross_attention: &CrossAttentionConfig,
        media_width: usize,
    ) {
        self.matrix("token_embd.weight", config.vocab_size, config.width);
        if config.extra_tokens > 0 {
            self.matrix("token_embd_extra.weight", config.extra_tokens, config.width);
        }
        for layer in 0..config.layers {
            if cross_attention.stands_before(layer) {
                self.cross_attention(layer, cross_attention, config.width, media_width);
            }
            self.decoder_layer(layer, config);
        }
        self.dense("output_norm.weight", &[config.width]);
        if matches!(config.kind, LanguageKind::GptNeox { .. }) {
            self.dense("output_norm.bias", &[config.width]);
        }
        if !config.tied_head {
            self.matrix("output.weight", config.vocab_size, config.width);
        }
    }

    fn decoder_layer(&mut self, layer: usize, config: &LanguageConfig) {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let width = config.width;
        let query_width = config.heads * config.head_dim;
        let key_width = config.kv_heads * config.head_dim;
        match config.kind {
            LanguageKind::Llama { .. } => {
                self.dense(name("attn_norm.weight"), &[width]);
                let parts = [
                    (name("attn_q.weight"), query_width),
                    (name("attn_k.weight"), key_width),
                    (name("attn_v.weight"), key_width),
                ];
                self.stack(&name("attn_qkv"), &parts, width);
                self.matrix(name("attn_output.weight"), width, query_width);
                self.dense(name("ffn_norm.weight"), &[width]);
                let parts = [
                    (name("ffn_gate.weight"), config.ffn_width),
                    (name("ffn_up.weight"), config.ffn_width),
                ];
                self.stack(&name("ffn_gate_up"), &parts, width);
                self.matrix(name("ffn_down.weight"), width, config.ffn_width);
            }
            LanguageKind::Mpt { qk_norm, .. } => {
                self.dense(name("attn_norm.weight"), &[width]);
                self.matrix(name("attn_qkv.weight"), 3 * query_width, width);
                if qk_norm {
                    self.dense(name("attn_q_norm.weight"), &[query_width]);
                    self.dense(name("attn_k_norm.weight"), &[query_width]);
                }
                self.matrix(name("attn_output.weight"), width, query_width);
                self.dense(name("ffn_norm.weight"), &[width]);
                self.matrix(name("ffn_up.weight"), config.ffn_width, width);
                self.matrix(name("ffn_down.weight"), width, config.ffn_width);
            }
            LanguageKind::GptNeox { .. } => {
                self.layer_norm(&name("attn_norm"), width);
                self.biased(&name("attn_qkv"), 3 * query_width, width);
                self.biased(&name("attn_output"), width, query_width);
                self.layer_norm(&name("ffn_norm"), width);
                self.biased(&name("ffn_up"), config.ffn_width, width);
                self.biased(&name("ffn_down"), width, config.ffn_width);
            }
        }
    }

    fn cross_attention(
        &mut self,
        layer: usize,
        config: &CrossAttentionConfig,
        width: usize,
        media_width: usize,
    ) {
        let name = |part: &str| format!("xattn.{layer}.{part}");
        let inner = config.heads * config.head_dim;
        self.add(name("attn_gate"), &[1], TensorRole::Gate);
        self.add(name("ffn_gate_scale"), &[1], TensorRole::Gate);
        self.layer_norm(&name("attn_norm"), width);
        self.matrix(name("attn_q.weight"), inner, width);
        self.matrix(name("attn_kv.weight"), 2 * inner, media_width);
        self.matrix(name("attn_out.weight"), width, inner);
        self.layer_norm(&name("ffn_norm"), width);
        self.matrix(name("ffn_up.weight"), config.ffn_mult * width, width);
        self.matrix(name("ffn_down.weight"), width, config.ffn_mult * width);
    }

    fn resampler(&mut self, config: &ResamplerConfig) {
        let width = config.width;
        let inner = config.heads * config.head_dim;
        if config.input_projection {
            self.layer_norm("resampler.input_norm", config.input_width);
            self.matrix("resampler.input_proj.weight", width, config.input_width);
        }
        self.dense("resampler.latents", &[config.latents, width]);
        if config.max_frames > 0 {
            self.dense("resampler.frame_embd", &[config.max_frames, width]);
        }
        if config.max_media > 0 {
            self.dense("resampler.media_embd", &[config.max_media, width]);
        }
        for layer in 0..config.depth {
            let name = |part: &str| format!("resampler.blk.{layer}.{part}");
            self.layer_norm(&name("norm_media"), width);
            self.layer_norm(&name("norm_latents"), width);
            self.matrix(name("attn_q.weight"), inner, width);
            self.matrix(name("attn_kv.weight"), 2 * inner, width);
            self.matrix(name("attn_out.weight"), width, inner);
            self.layer_norm(&name("ffn_norm"), width);
            self.matrix(name("ffn_up.weight"), config.ffn_mult * width, width);
            self.matrix(name("ffn_down.weight"), width, config.ffn_mult * width);
        }
        self.layer_norm("resampler.norm", width);
    }

    fn efficientnet_lite(&mut self, config: &EfficientNetLiteConfig) {
        self.dense("v.stem.weight", &[config.stem_channels, 3 * 3 * 3]);
        self.dense("v.stem.bias", &[config.stem_channels]);
        let mut channels = config.stem_channels;
        for (index, block) in config.blocks.iter().enumerate() {
            let name = |part: &str| format!("v.blk.{index}.{part}");
            let inner = block.input * block.expand;
            if block.expand > 1 {
                self.biased(&name("expand"), inner, block.input);
            }
            self.dense(
                name("depthwise.weight"),
                &[inner, block.kernel * block.kernel],
            );
            self.dense(name("depthwise.bias"), &[inner]);
            self.biased(&name("project"), block.output, inner);
            channels = block.output;
        }
        self.biased("v.head", config.head_channels, channels);
    }

    fn clip_vit(&mut self, config: &ClipVitConfig, image_size: usize) {
        let width = config.width;
        let patches = (image_size / config.patch_size).pow(2);
        self.dense("v.class_embd", &[width]);
        self.dense("v.position_embd.weight", &[patches + 1, width]);
        self.dense(
            "v.patch_embd.weight",
            &[width, 3 * config.patch_size * config.patch_size],
        );
        self.layer_norm("v.pre_ln", width);
        for layer in 0..config.layers {
            let name = |part: &str| format!("v.blk.{layer}.{part}");
            self.layer_norm(&name("ln1"), width);
            self.biased(&name("attn_qkv"), 3 * width, width);
            self.biased(&name("attn_out"), width, width);
            self.layer_norm(&name("ln2"), width);
            self.biased(&name("ffn_up"), config.ffn_width, width);
            self.biased(&name("ffn_down"), width, config.ffn_width);
        }
    }
}
