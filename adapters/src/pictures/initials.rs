//! The picture of somebody who has uploaded none: their initials, on a quiet ground that stays theirs.

use ab_glyph::{Font, FontRef, GlyphId, OutlinedGlyph, PxScale, ScaleFont, point};
use image::{DynamicImage, ImageError, Rgb, RgbImage};

use super::{SIDE, png};

/// Capital letters of the Latin, Greek and Cyrillic scripts, and digits: see letters.LICENSE.txt.
const LETTERS: &[u8] = include_bytes!("letters.ttf");
/// Height of the line of one letter and of two, in pixels.
const ONE: f32 = 210.0;
const TWO: f32 = 150.0;
/// Letters and ground, of the same hue: the letters stand out of it at 7 to 1 and more.
pub(super) const TONES: [([u8; 3], [u8; 3]); 8] = [
    ([0x3d, 0x33, 0x25], [0xec, 0xe5, 0xd8]),
    ([0x6b, 0x1e, 0x18], [0xf3, 0xdf, 0xda]),
    ([0x54, 0x36, 0x00], [0xf3, 0xe4, 0xbf]),
    ([0x17, 0x48, 0x2b], [0xd9, 0xe9, 0xdf]),
    ([0x10, 0x45, 0x4d], [0xd6, 0xe7, 0xe9]),
    ([0x25, 0x37, 0x6b], [0xdd, 0xe3, 0xf2]),
    ([0x4b, 0x2b, 0x60], [0xe8, 0xdf, 0xee]),
    ([0x2f, 0x33, 0x40], [0xe0, 0xe2, 0xe8]),
];

/// What a generated picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initials {
    /// One or two letters.
    pub letters: String,
    tone: usize,
}

impl Initials {
    /// The first letters of the first and the last word of a name; of the username, which has ASCII letters only, where the
    /// name is in a script that cannot be drawn here. The ground follows from `id`.
    pub fn of(name: &str, username: &str, id: &[u8; 16]) -> Self {
        let mut words = name.split_whitespace();
        let (first, last) = (words.next(), words.next_back());
        let letters: String = [first, last].into_iter().flatten().filter_map(initial).collect();
        let letters =
            if letters.is_empty() { username.chars().find_map(drawable).into_iter().collect() } else { letters };
        let sum: usize = id.iter().map(|byte| usize::from(*byte)).sum();
        Self { letters, tone: sum % TONES.len() }
    }

    /// What tells this picture from any other, in a few characters.
    pub fn tag(&self) -> String {
        let letters: Vec<String> = self.letters.chars().map(|c| format!("{:x}", u32::from(c))).collect();
        format!("initials-1-{}-{}", letters.join("."), self.tone)
    }

    /// The picture as PNG, [`SIDE`] pixels wide.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn draw(&self) -> Result<Vec<u8>, ImageError> {
        let (ink, ground) = TONES[self.tone];
        let mut picture = RgbImage::from_pixel(SIDE, SIDE, Rgb(ground));
        for glyph in centered(&self.letters) {
            let corner = glyph.px_bounds().min;
            glyph.draw(|x, y, coverage| {
                let (x, y) = (corner.x as i64 + i64::from(x), corner.y as i64 + i64::from(y));
                let place = u32::try_from(x).ok().zip(u32::try_from(y).ok());
                let pixel = place.and_then(|(x, y)| picture.get_pixel_mut_checked(x, y));
                if let Some(pixel) = pixel {
                    *pixel = Rgb([0, 1, 2].map(|i| mixed(pixel.0[i], ink[i], coverage)));
                }
            });
        }
        png(&DynamicImage::ImageRgb8(picture))
    }
}

/// The first letter of a word that can be drawn, as a capital.
fn initial(word: &str) -> Option<char> {
    // Not further than the first letter: an initial from inside a word is none.
    word.chars().find(|c| c.is_alphanumeric()).and_then(drawable)
}

fn drawable(c: char) -> Option<char> {
    let capital = c.to_uppercase().next()?;
    font().filter(|font| font.glyph_id(capital) != GlyphId(0)).map(|_| capital)
}

fn font() -> Option<FontRef<'static>> {
    FontRef::try_from_slice(LETTERS).ok()
}

/// The letters side by side, their ink in the middle of the picture.
fn centered(letters: &str) -> Vec<OutlinedGlyph> {
    let Some(font) = font() else { return Vec::new() };
    let scale = PxScale::from(if letters.chars().count() > 1 { TWO } else { ONE });
    let line = |left: f32, base: f32| {
        let mut x = left;
        let glyphs = letters.chars().filter_map(|letter| {
            let id = font.glyph_id(letter);
            let glyph = id.with_scale_and_position(scale, point(x, base));
            x += font.as_scaled(scale).h_advance(id);
            font.outline_glyph(glyph)
        });
        glyphs.collect::<Vec<_>>()
    };
    let ink = line(0.0, 0.0).iter().map(OutlinedGlyph::px_bounds).reduce(|a, b| ab_glyph::Rect {
        min: point(a.min.x.min(b.min.x), a.min.y.min(b.min.y)),
        max: point(a.max.x.max(b.max.x), a.max.y.max(b.max.y)),
    });
    let Some(ink) = ink else { return Vec::new() };
    let middle = SIDE as f32 / 2.0;
    line(middle - (ink.min.x + ink.max.x) / 2.0, middle - (ink.min.y + ink.max.y) / 2.0)
}

fn mixed(ground: u8, ink: u8, coverage: f32) -> u8 {
    let coverage = coverage.clamp(0.0, 1.0);
    (f32::from(ground) * (1.0 - coverage) + f32::from(ink) * coverage).round() as u8
}
