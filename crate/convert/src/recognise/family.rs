//! Families of Flamingos: who trained the bridges, and on which prompts.

use std::fmt;
use std::str::FromStr;

use crate::import::Part;

/// A family of Flamingos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// OpenFlamingo's second version: 3B, 4B, 9B, and the instruct ones.
    OpenFlamingo,
    /// OpenFlamingo's first version, around LLaMA-7B.
    OpenFlamingo1,
    /// Med-Flamingo: OpenFlamingo's first version, trained on.
    MedFlamingo,
    /// Otter.
    Otter,
    /// IDEFICS.
    Idefics,
    /// IDEFICS trained on dialogues.
    IdeficsInstruct,
    /// flamingo-mini and flamingo-tiny.
    FlamingoMini,
}

/// Who named the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    OpenFlamingo,
    Idefics,
    FlamingoMini,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 7] = [
        Self::OpenFlamingo,
        Self::OpenFlamingo1,
        Self::MedFlamingo,
        Self::Otter,
        Self::Idefics,
        Self::IdeficsInstruct,
        Self::FlamingoMini,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenFlamingo => "open-flamingo",
            Self::OpenFlamingo1 => "open-flamingo-1",
            Self::MedFlamingo => "med-flamingo",
            Self::Otter => "otter",
            Self::Idefics => "idefics",
            Self::IdeficsInstruct => "idefics-instruct",
            Self::FlamingoMini => "flamingo-mini",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::OpenFlamingo => "OpenFlamingo",
            Self::OpenFlamingo1 => "OpenFlamingo 1",
            Self::MedFlamingo => "Med-Flamingo",
            Self::Otter => "Otter",
            Self::Idefics => "IDEFICS",
            Self::IdeficsInstruct => "IDEFICS instruct",
            Self::FlamingoMini => "flamingo-mini",
        }
    }

    pub(crate) const fn layout(self) -> Layout {
        match self {
            Self::OpenFlamingo | Self::OpenFlamingo1 | Self::MedFlamingo | Self::Otter => {
                Layout::OpenFlamingo
            }
            Self::Idefics | Self::IdeficsInstruct => Layout::Idefics,
            Self::FlamingoMini => Layout::FlamingoMini,
        }
    }
}

impl Layout {
    /// Who named the tensors of this part; `None` if it holds no bridges known here.
    pub(crate) fn of(part: &Part) -> Option<Self> {
        if part.has("perceiver.latents") {
            Some(Self::OpenFlamingo)
        } else if part.has("model.gated_cross_attn_layers.0.alpha_cross_attn") {
            Some(Self::Idefics)
        } else if part.has("flamingo.resampler.latents") {
            Some(Self::FlamingoMini)
        } else {
            None
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// A name that no family has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no family of Flamingos; there are open-flamingo, open-flamingo-1, med-flamingo, otter, idefics, idefics-instruct, flamingo-mini"
)]
pub struct UnknownFamily(String);

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|family| family.name() == name)
            .ok_or_else(|| UnknownFamily(name.to_owned()))
    }
}
