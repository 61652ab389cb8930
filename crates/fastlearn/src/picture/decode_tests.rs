//! Decoding against pictures whose pixels are known: every format, bit depth and orientation, and
//! files that are damaged, cut off or too large.

use std::ffi::OsStr;
use std::io::Write;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{Frame, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> Picture {
    decode_picture(bytes, Path::new("a.jpg")).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    let message = decode_picture(bytes, Path::new("pets/broken.jpg")).unwrap_err().to_string();
    assert!(message.starts_with("pets/broken.jpg: "), "{message}");
    message
}

/// Left half red, right half blue, 24 wide and 16 high.
fn halves() -> RgbImage {
    RgbImage::from_fn(24, 16, |x, _| if x < 12 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) })
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(image).unwrap();
    bytes
}

fn near(pixel: [u8; 3], want: [u8; 3]) -> bool {
    pixel.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 6)
}

#[test]
fn every_format_is_recognised_by_content() {
    use ImageFormat::{Bmp, Gif, Png, Tiff, WebP};
    for format in [Png, Gif, Bmp, Tiff, WebP] {
        // The name says JPEG.
        let picture = decoded(&encode(halves(), format));
        assert_eq!((picture.height, picture.width), (16, 24), "{format:?}");
        assert_eq!(picture.pixels, halves().into_raw(), "{format:?}");
    }
    let picture = decoded(&jpeg(&halves()));
    assert!(near(picture.pixel(8, 4), [250, 0, 0]) && near(picture.pixel(8, 20), [0, 0, 250]));
}

#[test]
fn deep_grey_and_transparent_pictures_become_rgb() {
    let deep = ImageBuffer::from_pixel(3, 2, Rgb([65_535u16, 257 * 100, 0]));
    assert_eq!(decoded(&encode(deep, ImageFormat::Png)).pixel(1, 2), [255, 100, 0]);
    let grey = ImageBuffer::from_pixel(3, 2, Luma([77u8]));
    assert_eq!(decoded(&encode(grey, ImageFormat::Png)).pixel(0, 0), [77; 3]);
    let deep_grey = ImageBuffer::from_pixel(3, 2, Luma([257 * 9u16]));
    assert_eq!(decoded(&encode(deep_grey, ImageFormat::Tiff)).pixel(0, 0), [9; 3]);
    let clear = RgbaImage::from_pixel(3, 2, Rgba([10, 20, 30, 0]));
    assert_eq!(decoded(&encode(clear, ImageFormat::Png)).pixel(1, 1), [10, 20, 30]);
}

#[test]
fn the_first_frame_of_an_animation_is_taken() {
    let mut bytes = Vec::new();
    let frames = [[200, 0, 0, 255], [0, 200, 0, 255]];
    GifEncoder::new(&mut bytes)
        .encode_frames(frames.map(|colour| Frame::new(RgbaImage::from_pixel(5, 4, Rgba(colour)))))
        .unwrap();
    assert!(near(decoded(&bytes).pixel(3, 4), [200, 0, 0]));
}

#[test]
fn exif_orientation_is_applied() {
    let plain = jpeg(&halves());
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    // Orientation 6: the picture is to be turned clockwise by a quarter.
    exif.extend([6, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let bytes = [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..]].concat();
    let picture = decoded(&bytes);
    assert_eq!((picture.height, picture.width), (24, 16));
    assert!(near(picture.pixel(3, 8), [250, 0, 0]), "{:?}", picture.pixel(3, 8));
    assert!(near(picture.pixel(20, 8), [0, 0, 250]));
}

/// Codes of a JPEG's data, most significant bit first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, length: u32) {
        for bit in (0..length).rev() {
            self.held = self.held << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held as u8);
                if self.held == 0xff {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }
}

/// One block of 8x8 pixels of one colour in four components, as Adobe's programs write CMYK:
/// stored as 255 minus the ink.
fn cmyk_jpeg(ink: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xee, 0, 14];
    bytes.extend(b"Adobe\0\x64\0\0\0\0\0");
    bytes.extend([0xff, 0xdb, 0, 67, 0]);
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4]);
    (1..=4).for_each(|id| bytes.extend([id, 0x11, 0]));
    // Twelve codes of four bits for the size of the constant term; one code, end of block, after.
    bytes.extend([0xff, 0xc4, 0, 31, 0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(0..12);
    bytes.extend([0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    let mut bits = Bits::default();
    for amount in ink {
        let level = 8 * (i32::from(255 - amount) - 128);
        let size = 32 - level.unsigned_abs().leading_zeros();
        bits.put(size, 4);
        let value = if level < 0 { level + (1 << size) - 1 } else { level };
        bits.put(value as u32, size);
        bits.put(0, 1);
    }
    bits.put(0x7f, 7);
    bytes.extend(bits.bytes);
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn cmyk_becomes_rgb() {
    for (ink, want) in [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([0, 255, 255, 0], [255, 0, 0]),
        ([255, 0, 0, 0], [0, 255, 255]),
        ([0, 0, 0, 200], [55, 55, 55]),
        ([100, 0, 200, 0], [155, 255, 55]),
    ] {
        let pixel = decoded(&cmyk_jpeg(ink)).pixel(4, 4);
        assert!(near(pixel, want), "{ink:?}: {pixel:?} for {want:?}");
    }
}

#[test]
fn extreme_sizes_are_accepted() {
    let dot = RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]));
    assert_eq!(decoded(&encode(dot, ImageFormat::Png)).pixels, [1, 2, 3]);
    let strip = RgbImage::from_fn(20_000, 2, |x, _| Rgb([(x % 251) as u8, 0, 0]));
    let picture = decoded(&jpeg(&strip));
    assert_eq!((picture.height, picture.width), (2, 20_000));
}

#[test]
fn cut_off_files_are_refused() {
    let noise = |x: u32, y: u32| Rgb([(x * 7 + y * 13) as u8, (x * y) as u8, (x ^ y) as u8]);
    let image = RgbImage::from_fn(200, 150, noise);
    let bytes = jpeg(&image);
    for keep in [bytes.len() - 2, bytes.len() - 40, bytes.len() / 2, 700, 30] {
        refused(&bytes[..keep]);
    }
    assert!(refused(&bytes[..bytes.len() / 2]).contains("cut off"));
    // An embedded thumbnail has an end marker of its own.
    let small = jpeg(&halves());
    let length = (small.len() as u16 + 2).to_be_bytes();
    let whole = [&bytes[..2], &[0xff, 0xe1], &length, &small, &bytes[2..]].concat();
    decoded(&whole);
    assert!(refused(&whole[..whole.len() - 2000]).contains("cut off"));
    use ImageFormat::{Bmp, Gif, Png, Tiff, WebP};
    for format in [Png, Gif, Bmp, Tiff, WebP] {
        let bytes = encode(image.clone(), format);
        refused(&bytes[..bytes.len() / 2]);
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    assert!(refused(b"Dear Sir or Madam, this is a letter.").contains("not a picture"));
    assert!(refused(b"").contains("not a picture"));
    refused(&[0xff, 0xd8, 0xff, 0xe0]);
}

#[test]
fn over_200_megapixels_are_refused_from_the_header() {
    let mut bytes = jpeg(&halves());
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    // 14,143 squared is the first square above the limit.
    let side = 14_143u16.to_be_bytes();
    bytes[frame + 5..frame + 9].copy_from_slice(&[side, side].concat());
    let message = refused(&bytes);
    assert!(message.contains("14143 x 14143") && message.contains("200 million"), "{message}");
}

#[test]
fn files_are_opened_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    let name = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"caf\xe9.jpg");
    #[cfg(not(unix))]
    let name = OsStr::new("cafe.jpg");
    let path = folder.path().join(name);
    fs::File::create(&path).unwrap().write_all(&jpeg(&halves())).unwrap();
    assert_eq!(open_picture(&path).unwrap().width, 24);
    let missing = folder.path().join("missing.png");
    assert!(open_picture(&missing).unwrap_err().to_string().contains("missing.png"));
}
