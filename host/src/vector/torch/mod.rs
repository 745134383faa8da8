//! Files of `torch.save`, read without Python and without running anything that they name.

mod archive;
mod layouts;
mod pickle;
mod tensor;
mod value;

#[cfg(test)]
pub(super) use pickle::load;

pub(super) use archive::{old_form, read};
