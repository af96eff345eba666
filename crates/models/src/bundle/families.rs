//! What each family's model consists of, one function a family.

use text::clip::{CLIP_L, Config, OPEN_CLIP_G, OPEN_CLIP_H, Reading};

use super::{Family, Role};

/// What a family's model consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// A short name for programs.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// The parts that a picture needs.
    pub roles: &'static [Role],
    /// Which text encoder is in which role.
    pub text: &'static [(Role, Config)],
}

/// What a family's model consists of.
pub const fn needs(family: Family) -> Needs {
    match family {
        Family::Sd1 => stable_diffusion_1(),
        Family::Sd2 => stable_diffusion_2(),
        Family::Sdxl => sdxl(),
        Family::SdxlRefiner => sdxl_refiner(),
    }
}

const fn stable_diffusion_1() -> Needs {
    Needs {
        name: "sd1",
        title: "Stable Diffusion 1.x",
        roles: &[Role::Unet, Role::TextEncoder, Role::Vae],
        text: &[(Role::TextEncoder, CLIP_L)],
    }
}

const fn stable_diffusion_2() -> Needs {
    Needs {
        name: "sd2",
        title: "Stable Diffusion 2.x",
        roles: &[Role::Unet, Role::TextEncoder, Role::Vae],
        text: &[(Role::TextEncoder, OPEN_CLIP_H)],
    }
}

const fn sdxl() -> Needs {
    Needs {
        name: "sdxl",
        title: "Stable Diffusion XL base",
        roles: &[Role::Unet, Role::TextEncoder, Role::TextEncoder2, Role::Vae],
        text: &[(Role::TextEncoder, CLIP_L), (Role::TextEncoder2, OPEN_CLIP_G)],
    }
}

const fn sdxl_refiner() -> Needs {
    Needs {
        name: "sdxl_refiner",
        title: "Stable Diffusion XL refiner",
        roles: &[Role::Unet, Role::TextEncoder2, Role::Vae],
        text: &[(Role::TextEncoder2, OPEN_CLIP_G)],
    }
}

/// How a family reads the states of its text encoder, which has so many layers in the file.
pub(super) fn reading(family: Family, role: Role, layers: usize) -> Reading {
    match (family, role) {
        (Family::Sd1, _) => Reading::SD1,
        // Always the last state but one of the whole network, which is the last where a file lacks the last layer.
        (Family::Sd2, _) => {
            Reading { skip: Reading::SD2.skip.saturating_sub(OPEN_CLIP_H.layers - layers), ..Reading::SD2 }
        }
        (Family::Sdxl, Role::TextEncoder) => Reading::SDXL_L,
        (Family::Sdxl | Family::SdxlRefiner, _) => Reading::SDXL_G,
    }
}
