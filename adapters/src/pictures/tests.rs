use std::io::Cursor;

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, Rgba, RgbaImage};

use super::initials::TONES;
use super::*;

/// Red on the left, green in the middle, blue on the right.
fn striped(width: u32, height: u32) -> DynamicImage {
    let third = |x: u32| (x * 3 / width) as usize;
    let stripes = [Rgba([200, 0, 0, 255]), Rgba([0, 200, 0, 255]), Rgba([0, 0, 200, 255])];
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, _| stripes[third(x)]))
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = if format == ImageFormat::Jpeg { DynamicImage::from(picture.to_rgb8()) } else { picture.clone() };
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn read(png: &[u8]) -> DynamicImage {
    assert_eq!(image::guess_format(png).unwrap(), ImageFormat::Png);
    image::load_from_memory(png).unwrap()
}

/// The strongest channel of the pixel there.
fn hue(picture: &DynamicImage, x: u32, y: u32) -> char {
    let Rgba([red, green, blue, _]) = picture.get_pixel(x, y);
    if red > 150 {
        'r'
    } else if green > 150 {
        'g'
    } else {
        assert!(blue > 150);
        'b'
    }
}

#[test]
fn the_middle_square_of_each_kind_of_picture_is_made_300_pixels_wide() {
    let wide = striped(900, 300);

    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif] {
        let made = read(&portrait(&encoded(&wide, format)).unwrap());
        assert_eq!(made.dimensions(), (SIDE, SIDE), "{format:?}");
        assert_eq!([20, 150, 280].map(|x| hue(&made, x, 150)), ['g', 'g', 'g'], "{format:?}");
    }
    for (width, height) in [(1, 1), (64, 48), (2_000, 2_500)] {
        assert_eq!(read(&portrait(&encoded(&striped(width, height), ImageFormat::Png)).unwrap()).width(), SIDE);
    }
}

/// The segment that says how a camera was held, and where it was.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    tiff.extend([0x01, 0x0f, 0, 2, 0, 0, 0, 9, 0, 0, 0, 38]);
    tiff.extend([0, 0, 0, 0]);
    tiff.extend(b"GPS-HOME\0");
    let content = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [b"\xff\xe1".as_slice(), &length, &content].concat()
}

#[test]
fn up06_a_photograph_stands_upright_and_what_the_camera_noted_is_gone() {
    let plain = encoded(&striped(300, 300), ImageFormat::Jpeg);
    // Turned by 90 degrees, clockwise.
    let held = [&plain[..2], &exif(6), &plain[2..]].concat();
    assert!(held.windows(8).any(|part| part == b"GPS-HOME"));

    let made = portrait(&held).unwrap();

    let picture = read(&made);
    assert_eq!([20, 150, 280].map(|y| hue(&picture, 150, y)), ['r', 'g', 'b']);
    assert!(!made.windows(8).any(|part| part == b"GPS-HOME"));
    assert!(!made.windows(4).any(|part| part == b"Exif" || part == b"eXIf"));
}

#[test]
fn what_is_transparent_stays_so_and_what_is_not_takes_no_room_for_it() {
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(40, 40, Rgba([9, 9, 9, 0])));
    let made = read(&portrait(&encoded(&clear, ImageFormat::Png)).unwrap());
    assert_eq!(made.get_pixel(150, 150).0[3], 0);

    let made = read(&portrait(&encoded(&striped(40, 40), ImageFormat::Png)).unwrap());
    assert!(!made.color().has_alpha());
}

/// A PNG that claims a size, with as little behind it as a claim takes.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let content = [kind.as_slice(), data].concat();
        let mut sum = flate2::Crc::new();
        sum.update(&content);
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [length.as_slice(), &content, &sum.sum().to_be_bytes()].concat()
    };
    let header = [width.to_be_bytes().as_slice(), &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 4 << 20), &mut zeros).unwrap();
    let zeros = zeros.finish().unwrap();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &zeros), chunk(b"IEND", &[])].concat()
}

#[test]
fn up04_a_bomb_is_refused_by_what_it_claims() {
    for (width, height) in [(20_000, 20_000), (50_000, 50_000), (4_000, 4_000)] {
        let refused = portrait(&claiming(width, height));
        assert!(matches!(refused, Err(PictureError::TooLarge)), "{width} × {height}: {refused:?}");
    }
    let long = [encoded(&striped(10, 10), ImageFormat::Png), vec![0; MAX_BYTES]].concat();
    assert!(matches!(portrait(&long), Err(PictureError::TooLarge)));
}

#[test]
fn a_phones_twelve_megapixels_are_taken() {
    let photograph = encoded(&striped(4_032, 3_024), ImageFormat::Jpeg);
    assert!(photograph.len() < MAX_BYTES);

    assert_eq!(read(&portrait(&photograph).unwrap()).dimensions(), (SIDE, SIDE));
}

#[test]
fn up02_what_is_no_picture_is_refused_whatever_it_is_called() {
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
    let whole = encoded(&striped(300, 300), ImageFormat::Png);
    let jpeg = encoded(&striped(300, 300), ImageFormat::Jpeg);
    // Its kind is read, but not taken: nobody needs it.
    let bitmap = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0";

    for file in [
        b"".as_slice(),
        svg.as_bytes(),
        b"<!doctype html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
        &whole[..whole.len() / 2],
        &jpeg[..20],
        b"GIF89a\xff\xff\xff\xff",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        bitmap,
        &claiming(0, 10),
        &claiming(3_000, 3_000),
    ] {
        let refused = portrait(file);
        assert!(matches!(refused, Err(PictureError::NotAnImage)), "{:?}: {refused:?}", &file[..file.len().min(20)]);
    }
}

/// What stands behind a picture goes with the file, and comes out no more.
#[test]
fn up02_a_picture_that_is_something_else_too_comes_out_as_a_picture() {
    let polyglot = [encoded(&striped(30, 30), ImageFormat::Png), b"<script>alert(1)</script>".to_vec()].concat();

    let made = portrait(&polyglot).unwrap();

    assert!(!made.windows(8).any(|part| part == b"<script>"));
}

#[test]
fn initials_are_those_of_the_first_and_the_last_word() {
    let of = |name: &str| Initials::of(name, "ada", &[0; 16]).letters;

    assert_eq!(of("Ada Lindqvist"), "AL");
    assert_eq!(of("ada augusta king lovelace"), "AL");
    assert_eq!(of("Ada"), "A");
    assert_eq!(of("Ángel Žukauskas"), "ÁŽ");
    assert_eq!(of("Жанна Öz"), "ЖÖ");
    assert_eq!(of("Ωμέγα"), "Ω");
    assert_eq!(of("(Ada) 3rd"), "A3");
    assert_eq!(of("ßtraße"), "S");
}

#[test]
fn whose_name_cannot_be_drawn_goes_by_the_username() {
    let of = |name: &str, username: &str| Initials::of(name, username, &[0; 16]).letters;

    assert_eq!(of("李小龍", "bruce"), "B");
    assert_eq!(of("李 Lee", "bruce"), "L");
    assert_eq!(of("🦀", "4crab"), "4");
    assert_eq!(of("", "bruce"), "B");
}

#[test]
fn the_same_person_gets_the_same_small_picture_and_others_get_others() {
    let ada = Initials::of("Ada Lindqvist", "ada", &[1; 16]);
    let drawn = ada.draw().unwrap();

    assert_eq!(drawn, Initials::of("Ada Lindqvist", "ada", &[1; 16]).draw().unwrap());
    assert_eq!(read(&drawn).dimensions(), (SIDE, SIDE));
    assert!(drawn.len() < 8_000, "{} bytes", drawn.len());
    assert_eq!(ada.tag(), "initials-1-41.4c-0");
    let mut id = [1; 16];
    id[0] = 2;
    assert_ne!(ada.tag(), Initials::of("Ada Lindqvist", "ada", &id).tag());
    assert_ne!(drawn, Initials::of("Ada Lindqvist", "ada", &id).draw().unwrap());
    assert_ne!(drawn, Initials::of("Ada Mindqvist", "ada", &[1; 16]).draw().unwrap());
}

#[test]
fn letters_stand_in_the_middle_and_inside() {
    for name in ["I", "Wanda Winter", "Ågot Åberg", "Ỗ Ỗ", "1 1"] {
        let picture = read(&Initials::of(name, "x", &[0; 16]).draw().unwrap()).to_rgb8();
        let ground = *picture.get_pixel(0, 0);
        let inked = |pixel: &Rgb<u8>| *pixel != ground;
        let columns: Vec<u32> = picture.enumerate_pixels().filter(|(_, _, p)| inked(p)).map(|(x, _, _)| x).collect();
        let rows: Vec<u32> = picture.enumerate_pixels().filter(|(_, _, p)| inked(p)).map(|(_, y, _)| y).collect();
        for places in [columns, rows] {
            let (first, last) = (*places.iter().min().unwrap(), *places.iter().max().unwrap());
            assert!(first >= 15 && last < SIDE - 15, "{name}: {first} to {last}");
            assert!((first + last).abs_diff(SIDE) <= 3, "{name}: {first} to {last}");
        }
    }
}

/// WCAG 2.2 SC 1.4.6.
#[test]
fn letters_stand_out_of_their_ground() {
    let light = |[r, g, b]: [u8; 3]| {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05
    };
    for (ink, ground) in TONES {
        assert!(light(ground) / light(ink) >= 7.0, "{ink:?} on {ground:?}");
    }
}
