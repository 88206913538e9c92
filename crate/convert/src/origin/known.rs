//! Released repositories, so that a folder which is called as one is known as that one.
//!
//! The repositories are those of `docs/models.md`. Licences are those that their makers gave
//! the weights, where that is known without having asked a hub: MosaicML's, Together's and
//! EleutherAI's models are Apache-2.0 (MPT-1B's dolly, by its data, CC-BY-SA-3.0), OpenAI's CLIP
//! is MIT; LLaMA's first version and what was trained on it are bound to LLaMA's terms, OPT to
//! Meta's. Of the others the card tells, if it was downloaded with the weights.

const APACHE: Option<&str> = Some("Apache-2.0");
const LLAMA: Option<&str> = Some("LicenseRef-LLaMA");

const REPOSITORIES: [(&str, Option<&str>); 27] = [
    ("openflamingo/OpenFlamingo-3B-vitl-mpt1b", None),
    ("openflamingo/OpenFlamingo-3B-vitl-mpt1b-langinstruct", None),
    ("openflamingo/OpenFlamingo-4B-vitl-rpj3b", None),
    ("openflamingo/OpenFlamingo-4B-vitl-rpj3b-langinstruct", None),
    ("openflamingo/OpenFlamingo-9B-vitl-mpt7b", None),
    ("openflamingo/OpenFlamingo-9B-deprecated", LLAMA),
    ("anas-awadalla/mpt-1b-redpajama-200b", APACHE),
    (
        "anas-awadalla/mpt-1b-redpajama-200b-dolly",
        Some("CC-BY-SA-3.0"),
    ),
    ("anas-awadalla/mpt-7b", APACHE),
    ("togethercomputer/RedPajama-INCITE-Base-3B-v1", APACHE),
    ("togethercomputer/RedPajama-INCITE-Instruct-3B-v1", APACHE),
    ("EleutherAI/gpt-neox-20b", APACHE),
    ("yahma/llama-7b-hf", LLAMA),
    ("huggyllama/llama-7b", LLAMA),
    ("med-flamingo/med-flamingo", LLAMA),
    ("luodian/OTTER-Image-MPT7B", None),
    ("luodian/OTTER-Image-LLaMA7B-LA-InContext", LLAMA),
    ("HuggingFaceM4/idefics-9b", LLAMA),
    ("HuggingFaceM4/idefics-9b-instruct", LLAMA),
    ("HuggingFaceM4/tiny-random-idefics", None),
    ("dhansmair/flamingo-tiny", None),
    ("dhansmair/flamingo-mini", None),
    ("facebook/opt-125m", OPT),
    ("facebook/opt-350m", OPT),
    ("facebook/opt-30b", OPT),
    ("openai/clip-vit-large-patch14", MIT),
    ("timm/vit_large_patch14_clip_224.openai", MIT),
];

const OPT: Option<&str> = Some("LicenseRef-OPT-175B");
const MIT: Option<&str> = Some("MIT");

/// OpenAI's own archive, which lies in no repository of the hub.
const OPENAI_ARCHIVE: &str = "ViT-L-14";

/// The repository that is called `name`, with its owner or without, and its licence.
pub(super) fn of(name: &str) -> Option<(&'static str, Option<&'static str>)> {
    let name = match name {
        OPENAI_ARCHIVE => "clip-vit-large-patch14",
        name => name,
    };
    let mut repositories = REPOSITORIES.iter().copied();
    repositories.find(|(repository, _)| {
        let (_, bare) = repository.split_once('/').unwrap_or(("", repository));
        name == *repository || name.eq_ignore_ascii_case(bare)
    })
}
