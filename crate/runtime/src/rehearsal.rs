//! The programs of a device, compiled before they are needed.

use std::collections::HashMap;

use flamingo::{Flamingo, FlamingoBuilder, Positions};
use flamingo_kernels::{ComputeDevice, read};
use flamingo_weights::{LoadedTensor, TensorInfo};

use crate::error::{LoadError, RuntimeError};

/// Tokens of the prompts, the image's among them: more than the few that kernels have
/// programs of their own for, and those few that a caption without examples, or behind
/// known ones, is asked for with (`<image>Output:`).
const PROMPTS: [usize; 2] = [6, 3];

/// A caption by a model that knows nothing, made of the same kinds of layers, packed in the
/// same way, as the one whose weights still arrive: a GPU compiles a program when it is
/// first used, and in a rehearsal that is while the network is waited for.
pub struct Rehearsal {
    flamingo: Flamingo,
}

impl Rehearsal {
    /// Steps of [`Self::run`]: seeing, reading each prompt, writing.
    pub const STEPS: usize = 2 + PROMPTS.len();

    /// `arriving` is the whole model, of which the largest matrix has arrived: it stands for
    /// all matrices. `whole` are its tensors, by name, as its file declares them.
    pub(crate) fn new(
        arriving: &FlamingoBuilder,
        whole: &HashMap<&str, &TensorInfo>,
        device: &ComputeDevice,
    ) -> Result<Self, LoadError> {
        let config = arriving.config().abridged();
        let mut builder = FlamingoBuilder::new(config.clone(), device)?;
        builder.borrow_from(arriving);
        for spec in config.tensors() {
            let Some(declared) = whole.get(spec.name.as_str()) else {
                // The whole model lacks it too and will say so.
                continue;
            };
            let info = TensorInfo {
                name: spec.name,
                tensor_type: declared.tensor_type,
                shape: spec.shape,
            };
            let lengths = info.byte_len().zip(declared.byte_len());
            let Some((length, _)) = lengths.filter(|(length, declared)| length <= declared) else {
                // The file is not the configuration's, which the whole model will say too:
                // no more is set aside than what is to arrive.
                continue;
            };
            let data = vec![0; length];
            builder.insert(LoadedTensor { info, data })?;
        }
        Ok(Self {
            flamingo: builder.build()?,
        })
    }

    /// Sees a picture, reads prompts and writes a token, and leaves nothing on the device
    /// but the programs. `on_step` is told after each how many of the [`Self::STEPS`] are
    /// done.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn run(self, on_step: impl FnMut(usize)) -> Result<(), RuntimeError> {
        self.steps(on_step).await?;
        let device = self.flamingo.device().clone();
        drop(self);
        // Buffers of weights are kept, for others of the same size, until it is asked for
        // them; and no others come once the whole model's have arrived.
        device.release_unused();
        Ok(())
    }

    async fn steps(&self, mut on_step: impl FnMut(usize)) -> Result<(), RuntimeError> {
        let flamingo = &self.flamingo;
        let config = flamingo.config();
        let pixels = vec![0.0; 3 * config.vision.image_size.pow(2)];
        let tokens = flamingo.encode_image(&pixels)?;
        let (latents, _) = flamingo.resample_recorded(std::slice::from_ref(&tokens), 0)?;
        self.finish(latents.clone()).await?;
        self.finish(flamingo.features(&[tokens])?).await?;
        on_step(1);

        let media = flamingo.media(&[latents])?;
        let mut cache = flamingo.new_cache();
        for (index, length) in PROMPTS.into_iter().enumerate() {
            cache.truncate(0);
            let mut prompt = vec![config.tokens.end_of_chunk; length];
            prompt[0] = config.tokens.image;
            let logits = flamingo.forward(&prompt, &[0], &media, &mut cache, Positions::Last)?;
            self.finish(logits).await?;
            on_step(2 + index);
        }

        let token = [config.tokens.end_of_chunk];
        let logits = flamingo.forward(&token, &[], &media, &mut cache, Positions::Last)?;
        self.finish(logits).await?;
        on_step(Self::STEPS);
        Ok(())
    }

    /// Waits until the device has computed this, and what it had to compile for it.
    async fn finish(&self, result: burn::tensor::Tensor<2>) -> Result<(), RuntimeError> {
        read(result).await?;
        Ok(self.flamingo.device().check().await?)
    }
}
