//! Profile pictures: uploaded ones made small and square, and generated ones for whoever has none.

mod initials;
mod portrait;
#[cfg(test)]
mod tests;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageError};

pub use initials::Initials;
pub use portrait::{MAX_BYTES, PictureError, portrait};

/// Width and height of every picture that is served, in pixels.
pub const SIDE: u32 = 300;

fn png(image: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
    image.write_with_encoder(encoder)?;
    Ok(bytes)
}
