//! Colour: sRGB (IEC 61966-2-1), OKLab (B. Ottosson, 2020), CIELAB under D65, the CIEDE2000 difference (Sharma, Wu, Dalal, "The
//! CIEDE2000 Color-Difference Formula: Implementation Notes", 2005), and the contrast of WCAG 2.2.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An opaque sRGB colour, written `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

/// A string that is no colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a colour: six hexadecimal digits are expected, as in #1a2b3c")]
pub struct ColourError {
    /// What was given.
    pub found: String,
}

impl FromStr for Colour {
    type Err = ColourError;

    fn from_str(text: &str) -> Result<Self, ColourError> {
        let wrong = || ColourError { found: text.chars().take(40).collect() };
        let digits = text.strip_prefix('#').ok_or_else(wrong)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
        let [_, r, g, b] = value.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl TryFrom<String> for Colour {
    type Error = ColourError;

    fn try_from(text: String) -> Result<Self, ColourError> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Black.
    pub const BLACK: Self = Self([0; 3]);

    /// CIELAB under D65.
    pub fn lab(self) -> [f64; 3] {
        let [r, g, b] = self.0.map(linear);
        // sRGB to XYZ of IEC 61966-2-1, divided by the white point.
        let x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505;
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089;
        let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
        let [x, y, z] = [x, y, z].map(f);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// OKLab: lightness 0..=1, then a and b.
    pub fn oklab(self) -> [f64; 3] {
        oklab_of_linear(self.0.map(linear))
    }

    /// The nearest sRGB colour of an OKLab triple.
    pub fn from_oklab([l, a, b]: [f64; 3]) -> Self {
        let cube = |v: f64| v * v * v;
        let long = cube(l + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
        let middle = cube(l - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
        let short = cube(l - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
        Self([
            encoded(4.076_741_662_1 * long - 3.307_711_591_3 * middle + 0.230_969_929_2 * short),
            encoded(-1.268_438_004_6 * long + 2.609_757_401_1 * middle - 0.341_319_396_5 * short),
            encoded(-0.004_196_086_3 * long - 0.703_418_614_7 * middle + 1.707_614_701_0 * short),
        ])
    }

    /// Relative luminance of WCAG 2.2, 0..=1.
    pub fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast ratio of WCAG 2.2, 1..=21.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// CIEDE2000 difference; about 1 is just noticed, above 10 is another colour.
    pub fn delta_e(self, other: Self) -> f64 {
        ciede2000(self.lab(), other.lab())
    }

    /// `share` (0..=1) of `other` mixed into this one, in sRGB.
    pub fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |i: usize| f64::from(self.0[i]) * (1.0 - share) + f64::from(other.0[i]) * share;
        Self([0, 1, 2].map(|i| mix(i).round().clamp(0.0, 255.0) as u8))
    }
}

/// sRGB byte to linear light, 0..=1.
pub fn linear(byte: u8) -> f64 {
    let v = f64::from(byte) / 255.0;
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// Linear light to the nearest sRGB byte.
fn encoded(v: f64) -> u8 {
    let v = v.clamp(0.0, 1.0);
    let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    (v * 255.0).round() as u8
}

/// OKLab of linear red, green, blue in 0..=1.
pub(crate) fn oklab_of_linear([r, g, b]: [f64; 3]) -> [f64; 3] {
    let long = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let middle = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let short = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * long + 0.793_617_785_0 * middle - 0.004_072_046_8 * short,
        1.977_998_495_1 * long - 2.428_592_205_0 * middle + 0.450_593_709_9 * short,
        0.025_904_037_1 * long + 0.782_771_766_2 * middle - 0.808_675_766_0 * short,
    ]
}

/// Square of the distance of two triples.
pub(crate) fn squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// CIEDE2000 difference of two CIELAB colours, with k_L = k_C = k_H = 1.
pub fn ciede2000([l1, a1, b1]: [f64; 3], [l2, a2, b2]: [f64; 3]) -> f64 {
    let power7 = |c: f64| (c.powi(7) / (c.powi(7) + 25_f64.powi(7))).sqrt();
    let g = 0.5 * (1.0 - power7((a1.hypot(b1) + a2.hypot(b2)) / 2.0));
    let (a1, a2) = ((1.0 + g) * a1, (1.0 + g) * a2);
    let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
    let hue = |a: f64, b: f64| if a == 0.0 && b == 0.0 { 0.0 } else { b.atan2(a).to_degrees().rem_euclid(360.0) };
    let (h1, h2) = (hue(a1, b1), hue(a2, b2));
    let grey = c1 * c2 == 0.0;
    let turn = match h2 - h1 {
        _ if grey => 0.0,
        d if d > 180.0 => d - 360.0,
        d if d < -180.0 => d + 360.0,
        d => d,
    };
    let dl = l2 - l1;
    let dc = c2 - c1;
    let dh = 2.0 * (c1 * c2).sqrt() * (turn.to_radians() / 2.0).sin();
    let l = (l1 + l2) / 2.0;
    let c = (c1 + c2) / 2.0;
    let h = match h1 + h2 {
        sum if grey => sum,
        sum if (h1 - h2).abs() <= 180.0 => sum / 2.0,
        sum if sum < 360.0 => (sum + 360.0) / 2.0,
        sum => (sum - 360.0) / 2.0,
    };
    let cos = |degrees: f64| degrees.to_radians().cos();
    let t = 1.0 - 0.17 * cos(h - 30.0) + 0.24 * cos(2.0 * h) + 0.32 * cos(3.0 * h + 6.0) - 0.20 * cos(4.0 * h - 63.0);
    let sl = 1.0 + 0.015 * (l - 50.0).powi(2) / (20.0 + (l - 50.0).powi(2)).sqrt();
    let sc = 1.0 + 0.045 * c;
    let sh = 1.0 + 0.015 * c * t;
    let rotation = -2.0 * power7(c) * (60.0 * (-((h - 275.0) / 25.0).powi(2)).exp()).to_radians().sin();
    let (dl, dc, dh) = (dl / sl, dc / sc, dh / sh);
    (dl * dl + dc * dc + dh * dh + rotation * dc * dh).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Table 1 of Sharma, Wu and Dalal: L, a, b of both colours, and the difference.
    const SHARMA: &[[f64; 7]] = &[
        [50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425],
        [50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615],
        [50.0, 2.8361, -74.02, 50.0, 0.0, -82.7485, 3.4412],
        [50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0],
        [50.0, -1.1848, -84.8006, 50.0, 0.0, -82.7485, 1.0],
        [50.0, -0.9009, -85.5211, 50.0, 0.0, -82.7485, 1.0],
        [50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669],
        [50.0, -1.0, 2.0, 50.0, 0.0, 0.0, 2.3669],
        [50.0, 2.49, -0.001, 50.0, -2.49, 0.0009, 7.1792],
        [50.0, 2.49, -0.001, 50.0, -2.49, 0.001, 7.1792],
        [50.0, 2.49, -0.001, 50.0, -2.49, 0.0011, 7.2195],
        [50.0, 2.49, -0.001, 50.0, -2.49, 0.0012, 7.2195],
        [50.0, -0.001, 2.49, 50.0, 0.0009, -2.49, 4.8045],
        [50.0, -0.001, 2.49, 50.0, 0.001, -2.49, 4.8045],
        [50.0, -0.001, 2.49, 50.0, 0.0011, -2.49, 4.7461],
        [50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065],
        [50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492],
        [50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977],
        [50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.903],
        [50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535],
        [50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0],
        [50.0, 2.5, 0.0, 50.0, 3.2972, 0.0, 1.0],
        [50.0, 2.5, 0.0, 50.0, 1.8634, 0.5757, 1.0],
        [50.0, 2.5, 0.0, 50.0, 3.2592, 0.335, 1.0],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.263],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.248, -4.962, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373],
        [36.4612, 47.858, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082],
    ];

    #[test]
    fn the_published_pairs_agree() {
        assert_eq!(SHARMA.len(), 34);
        for &[l1, a1, b1, l2, a2, b2, expected] in SHARMA {
            for found in [ciede2000([l1, a1, b1], [l2, a2, b2]), ciede2000([l2, a2, b2], [l1, a1, b1])] {
                assert!((found - expected).abs() < 5.1e-5, "{l1} {a1} {b1} / {l2} {a2} {b2}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn known_colours() {
        let near = |a: [f64; 3], b: [f64; 3], tolerance: f64| assert!(squared(a, b).sqrt() < tolerance, "{a:?} {b:?}");
        near(Colour::WHITE.lab(), [100.0, 0.0, 0.0], 0.01);
        near(Colour([255, 0, 0]).lab(), [53.24, 80.09, 67.20], 0.05);
        near(Colour::WHITE.oklab(), [1.0, 0.0, 0.0], 1e-6);
        near(Colour([255, 0, 0]).oklab(), [0.627_955, 0.224_863, 0.125_846], 1e-5);
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 1e-9);
        // The grey that WCAG's examples call the lightest to pass 4.5 on white.
        assert!(Colour([0x76; 3]).contrast(Colour::WHITE) >= 4.5 && Colour([0x77; 3]).contrast(Colour::WHITE) < 4.5);
    }

    #[test]
    fn what_is_no_colour_is_named() {
        for text in ["", "#", "123456", "#12345", "#1234567", "#12345g", "#+12345", "#ÿÿÿ", "red"] {
            assert_eq!(text.parse::<Colour>(), Err(ColourError { found: text.into() }));
        }
        assert_eq!("#1A2b3c".parse(), Ok(Colour([0x1a, 0x2b, 0x3c])));
    }

    proptest! {
        #[test]
        fn oklab_comes_back(rgb in any::<[u8; 3]>()) {
            prop_assert_eq!(Colour::from_oklab(Colour(rgb).oklab()), Colour(rgb));
        }

        #[test]
        fn differences_are_numbers(a in any::<[u8; 3]>(), b in any::<[u8; 3]>()) {
            let (a, b) = (Colour(a), Colour(b));
            prop_assert!(a.delta_e(b) >= 0.0 && a.delta_e(b) < 130.0);
            prop_assert!((a.delta_e(b) - b.delta_e(a)).abs() < 1e-9);
            prop_assert!(a.delta_e(a) == 0.0);
            prop_assert_eq!(a.to_string().parse(), Ok(a));
        }
    }
}
