//! An uploaded picture, decoded within bounds and drawn anew: a small square PNG, whatever came.
//!
//! Nothing of the file itself is kept, neither its metadata (EXIF: where and when it was taken) nor what may hide behind
//! the image. Its kind is told by its first bytes, not by its name (attacks UP-02).

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageReader, Limits};

use super::{SIDE, png};

/// The largest file that is looked at, in bytes.
pub const MAX_BYTES: usize = 5 * 1024 * 1024;
/// What the pixels of a picture may take in memory, in bytes: a phone's 12 megapixels pass, a bomb does not (UP-04).
const MAX_DECODED: u64 = 40 * 1024 * 1024;

/// Why a file is no picture of anybody.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("this is no picture that can be read; use a PNG, JPEG, WebP or GIF file")]
    NotAnImage,
    #[error("this picture is too large; use one of 5 MB and 10 megapixels at most")]
    TooLarge,
}

/// The middle square of a picture, [`SIDE`] pixels wide, as PNG. Of a picture that moves, the first frame.
///
/// It takes some 100 ms and 100 MB at worst, so that callers bound how many they make at once.
///
/// # Errors
/// [`PictureError::TooLarge`] before anything is decoded; [`PictureError::NotAnImage`] for any other kind of file, and for
/// one that ends too early.
pub fn portrait(file: &[u8]) -> Result<Vec<u8>, PictureError> {
    if file.len() > MAX_BYTES {
        return Err(PictureError::TooLarge);
    }
    let (picture, orientation) = decode(file)?;
    let mut square = squared(&picture);
    square.apply_orientation(orientation);
    let opaque = square.as_rgba8().is_some_and(|image| image.pixels().all(|pixel| pixel.0[3] == u8::MAX));
    let square = if opaque { DynamicImage::ImageRgb8(square.into_rgb8()) } else { square };
    png(&square).map_err(|_| PictureError::NotAnImage)
}

/// Reads the size first: a few bytes may claim to be a picture of any size.
fn decode(file: &[u8]) -> Result<(DynamicImage, Orientation), PictureError> {
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| PictureError::NotAnImage)?;
    let mut decoder = reader.into_decoder().map_err(|_| PictureError::NotAnImage)?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > MAX_DECODED {
        return Err(PictureError::TooLarge);
    }
    if width == 0 || height == 0 {
        return Err(PictureError::NotAnImage);
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * MAX_DECODED);
    decoder.set_limits(limits).map_err(|_| PictureError::TooLarge)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(|_| PictureError::NotAnImage)?;
    Ok((picture, orientation))
}

/// A large picture is averaged down first, which is fast, and then made smaller with care.
fn squared(picture: &DynamicImage) -> DynamicImage {
    let (width, height) = picture.dimensions();
    let side = width.min(height);
    let middle = imageops::crop_imm(picture, (width - side) / 2, (height - side) / 2, side, side);
    let small = match side > 2 * SIDE {
        true => imageops::thumbnail(&*middle, 2 * SIDE, 2 * SIDE),
        false => middle.to_image(),
    };
    DynamicImage::ImageRgba8(imageops::resize(&small, SIDE, SIDE, FilterType::CatmullRom))
}
