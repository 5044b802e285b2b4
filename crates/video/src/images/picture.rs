//! A decoded picture, scaled and coded.

use std::collections::BTreeMap;
use std::io::Cursor;

use afflux_aws::video::{Code, Error};
use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageEncoder as _, RgbImage};

use crate::limits::{IMAGE_BYTES_MAX, PICTURE_PIXELS_MAX};

/// How a picture is coded and scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Of JPEG, 1 to 100; `None`: PNG.
    quality: Option<u8>,
    width: Option<u32>,
    height: Option<u32>,
}

/// The quality of JPEG if nothing says another.
const QUALITY: u8 = 80;

impl Look {
    /// Reads what a request says.
    pub(crate) fn new(
        is_png: bool,
        config: Option<&BTreeMap<String, String>>,
        (width, height): (Option<u32>, Option<u32>),
    ) -> Result<Self, Error> {
        if width.is_some() && height.is_none() {
            return Err(Error::new(
                Code::Validation,
                "WidthPixels is given without HeightPixels.",
            ));
        }
        let quality = match config.and_then(|config| config.get("JPEGQuality")) {
            None => QUALITY,
            Some(text) => match text.parse() {
                Ok(quality @ 1..=100) => quality,
                _ => {
                    return Err(Error::new(
                        Code::InvalidArgument,
                        format!("JPEGQuality is {text}; it is a number from 1 to 100."),
                    ));
                }
            },
        };
        Ok(Self {
            quality: (!is_png).then_some(quality),
            width,
            height,
        })
    }

    /// How files of this look end.
    pub(crate) fn extension(self) -> &'static str {
        match self.quality {
            Some(_) => "jpg",
            None => "png",
        }
    }

    /// The size of a picture that was `width` times `height`.
    fn size(self, width: u32, height: u32) -> (u32, u32) {
        match (self.width, self.height) {
            (Some(wanted_width), Some(wanted_height)) => (wanted_width, wanted_height),
            (None, Some(wanted)) => {
                let scaled = u64::from(width) * u64::from(wanted) / u64::from(height.max(1));
                let scaled = u32::try_from(scaled).unwrap_or(u32::MAX);
                (scaled.clamp(1, 1 << 14), wanted)
            }
            _ => (width, height),
        }
    }
}

/// A decoded picture: three bytes a pixel, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Raster {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Raster {
    /// A picture without content; `None` if it has no size or is too large.
    pub(crate) fn new(width: usize, height: usize) -> Option<Self> {
        let pixels = width.checked_mul(height)?;
        (1..=PICTURE_PIXELS_MAX).contains(&pixels).then_some(())?;
        Some(Self {
            width: u32::try_from(width).ok()?,
            height: u32::try_from(height).ok()?,
            rgb: vec![0; pixels * 3],
        })
    }

    /// The pixels.
    pub(crate) fn rgb(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The picture as a file; `None` if that would be too large.
    pub(crate) fn encode(self, look: Look) -> Option<Bytes> {
        let (width, height) = look.size(self.width, self.height);
        let picture = RgbImage::from_raw(self.width, self.height, self.rgb)?;
        let picture = if (width, height) == picture.dimensions() {
            picture
        } else {
            imageops::resize(&picture, width, height, FilterType::Triangle)
        };
        let mut file = Cursor::new(Vec::new());
        let color = ExtendedColorType::Rgb8;
        let written = match look.quality {
            Some(quality) => JpegEncoder::new_with_quality(&mut file, quality)
                .write_image(&picture, width, height, color),
            None => PngEncoder::new(&mut file).write_image(&picture, width, height, color),
        };
        written.ok()?;
        let file = file.into_inner();
        (file.len() <= IMAGE_BYTES_MAX).then(|| file.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(is_png: bool, size: (Option<u32>, Option<u32>)) -> Look {
        Look::new(is_png, None, size).unwrap()
    }

    #[test]
    fn pictures_are_stretched_or_keep_their_shape() {
        assert_eq!(look(false, (None, None)).size(640, 360), (640, 360));
        assert_eq!(look(false, (None, Some(180))).size(640, 360), (320, 180));
        assert_eq!(look(false, (Some(10), Some(20))).size(640, 360), (10, 20));
        assert_eq!(look(false, (None, Some(1))).size(10, 360), (1, 1));
    }

    #[test]
    fn a_width_alone_and_a_wrong_quality_are_refused() {
        let refused = Look::new(false, None, (Some(640), None)).unwrap_err();
        assert_eq!(refused.code(), Code::Validation);
        for quality in ["0", "101", "-1", "best"] {
            let config = BTreeMap::from([("JPEGQuality".to_owned(), quality.to_owned())]);
            assert!(
                Look::new(false, Some(&config), (None, None)).is_err(),
                "{quality}"
            );
        }
    }

    #[test]
    fn files_are_what_they_say_and_have_the_size() {
        for is_png in [true, false] {
            let look = look(is_png, (None, Some(9)));
            let mut raster = Raster::new(32, 18).unwrap();
            raster.rgb().fill(200);
            let file = raster.encode(look).unwrap();
            let read = image::load_from_memory(&file).unwrap().to_rgb8();
            assert_eq!(read.dimensions(), (16, 9));
            assert!(read.pixels().all(|pixel| pixel.0[0].abs_diff(200) < 3));
        }
        assert!(Raster::new(0, 5).is_none() && Raster::new(1 << 20, 1 << 20).is_none());
    }
}
