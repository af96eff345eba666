//! Colours by name: nearest prototype in CIELAB (D65, 2° observer), and the named colours of a picture.

use analysis::colour::ciede2000;

use crate::picture::Square;

/// L*, a*, b*.
pub(crate) type Lab = [f32; 3];

/// Names with the sRGB prototypes that count as that colour; the first prototype is the one used for painting.
pub(crate) const PALETTE: &[(&str, &[u32])] = &[
    ("red", &[0xE0_2020, 0xDD_2E44, 0xC6_2828, 0xF4_4336, 0xFF_0000, 0xBE_1931]),
    ("dark red", &[0x7A_1010, 0x80_0000, 0x5C_0A14]),
    ("orange", &[0xF5_8A1F, 0xFF_7900, 0xF4_900C, 0xE8_6A17, 0xFF_A533]),
    ("yellow", &[0xFF_D52E, 0xFF_CC4D, 0xFC_D53F, 0xFF_E94D, 0xF9_C23C, 0xFF_FF40]),
    ("light yellow", &[0xFF_F3A0, 0xFF_F9C4]),
    ("green", &[0x2E_9E3A, 0x00_D26A, 0x4C_AF50, 0x00_8000, 0x77_B255, 0x5C_913B]),
    ("dark green", &[0x14_5A24, 0x1B_5E20, 0x3E_721D, 0x0B_3D1E]),
    ("light green", &[0xA6_D388, 0xA0_E080, 0xC5_E1A5, 0x8B_E04E]),
    ("teal", &[0x0F_8A85, 0x00_8080, 0x00_9688]),
    ("turquoise", &[0x2E_D0D0, 0x26_C6DA, 0x40_E0D0, 0x00_E5E5]),
    ("light blue", &[0x8C_CAF7, 0xBD_DDF4, 0xA0_D8F0, 0x5D_ADEC, 0x81_D4FA]),
    ("blue", &[0x1E_63D6, 0x00_74BA, 0x19_76D2, 0x3B_88C3, 0x21_96F3, 0x00_00FF, 0x0A_6ED1, 0x22_6699]),
    ("dark blue", &[0x14_2A6B, 0x00_0080, 0x0D_2B5C, 0x26_2A70]),
    ("purple", &[0x8A_3FC4, 0x92_66CC, 0x6A_1B9A, 0x80_0080, 0x74_4EAA, 0x7E_57C2, 0x9B_30FF]),
    ("lavender", &[0xCB_B7E8, 0xB3_9DDB, 0xD7_C8F0]),
    ("magenta", &[0xD8_1BC0, 0xE0_00C0, 0xFF_00FF]),
    ("pink", &[0xF7_8FBA, 0xEF_8F88, 0xF4_ABBA, 0xFF_69B4, 0xF8_BBD0, 0xF7_0A8D, 0xEA_4C89]),
    ("brown", &[0x8A_5030, 0x6D_4C41, 0x8B_4513, 0x66_2113, 0x5D_4037, 0xA0_5A2C, 0xC1_694F, 0xD9_9E82, 0x4E_342E]),
    ("beige", &[0xEE_D9B0, 0xF5_DEB3, 0xFF_E8B6, 0xD8_BE96, 0xE8_CFA8]),
    ("white", &[0xFA_FAFA, 0xFF_FFFF, 0xF0_F0F0]),
    ("light gray", &[0xCC_D2D8, 0xD3_D3D3, 0xE1_E8ED, 0xB8_C0C8]),
    ("gray", &[0x88_9098, 0x80_8080, 0x99_AAB5, 0x66_757F, 0x9B_9B9B]),
    ("dark gray", &[0x44_484E, 0x41_4141, 0x55_5A60, 0x37_474F]),
    ("black", &[0x15_1515, 0x00_0000, 0x21_2121, 0x29_2F33]),
];

/// Names that are painted: clear colours people ask for.
pub(crate) const PAINTS: &[&str] = &[
    "red",
    "orange",
    "yellow",
    "green",
    "dark green",
    "light green",
    "teal",
    "turquoise",
    "light blue",
    "blue",
    "dark blue",
    "purple",
    "pink",
    "magenta",
    "brown",
    "gray",
    "black",
    "white",
];

/// The sRGB value a named colour is painted with.
pub(crate) fn paint(name: &str) -> [u8; 3] {
    let value = PALETTE.iter().find(|(n, _)| *n == name).map_or(0, |(_, p)| p[0]);
    rgb(value)
}

fn rgb(value: u32) -> [u8; 3] {
    [(value >> 16) as u8, (value >> 8) as u8, value as u8]
}

fn to_linear(c: u8) -> f32 {
    let c = f32::from(c) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(c: f32) -> u8 {
    let c = c.clamp(0.0, 1.0);
    let c = if c <= 0.003_130_8 { c * 12.92 } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
    (c * 255.0).round() as u8
}

/// sRGB to CIELAB.
pub(crate) fn to_lab([r, g, b]: [u8; 3]) -> Lab {
    let (r, g, b) = (to_linear(r), to_linear(g), to_linear(b));
    let x = (0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47;
    let y = 0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b;
    let z = (0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / 1.088_83;
    let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let (fx, fy, fz) = (f(x), f(y), f(z));
    [116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)]
}

/// CIELAB to sRGB, clipped to what sRGB can show.
pub(crate) fn from_lab([l, a, b]: Lab) -> [u8; 3] {
    let fy = (l + 16.0) / 116.0;
    let inverse = |f: f32| if f > 0.206_893 { f * f * f } else { (f - 16.0 / 116.0) / 7.787 };
    let (x, y, z) = (inverse(fy + a / 500.0) * 0.950_47, inverse(fy), inverse(fy - b / 200.0) * 1.088_83);
    [
        from_linear(3.240_454_2 * x - 1.537_138_5 * y - 0.498_531_4 * z),
        from_linear(-0.969_266 * x + 1.876_010_8 * y + 0.041_556 * z),
        from_linear(0.055_643_4 * x - 0.204_025_9 * y + 1.057_225_2 * z),
    ]
}

/// Euclidean distance in CIELAB.
pub(crate) fn distance(a: Lab, b: Lab) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
}

/// The CIEDE2000 colour difference.
pub(crate) fn delta_e2000(a: Lab, b: Lab) -> f32 {
    ciede2000(a.map(f64::from), b.map(f64::from)) as f32
}

/// The share, in `0..=1`, of the covered area of a square picture (premultiplied RGBA bytes) whose colour is within a
/// CIEDE2000 difference of 20 of the colour called `name`; none for an unknown name or an empty picture.
pub fn share_of_colour(pixels: &[u8], name: &str) -> Option<f32> {
    const NEAR: f32 = 20.0;
    let (_, prototypes) = PALETTE.iter().find(|(n, _)| *n == name)?;
    let prototypes: Vec<Lab> = prototypes.iter().map(|&value| to_lab(rgb(value))).collect();
    let (mut near, mut total) = (0f32, 0f32);
    for pixel in pixels.chunks_exact(4).filter(|pixel| pixel[3] >= 96) {
        let alpha = u32::from(pixel[3]);
        let lab = to_lab([0, 1, 2].map(|c| ((u32::from(pixel[c]) * 255 + alpha / 2) / alpha).min(255) as u8));
        total += alpha as f32;
        if prototypes.iter().any(|prototype| delta_e2000(lab, *prototype) < NEAR) {
            near += alpha as f32;
        }
    }
    (total > 0.0).then(|| near / total)
}

/// One named colour of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    pub(crate) name: &'static str,
    /// Share of the covered area, in `0..=1`.
    pub(crate) share: f32,
    /// Mean of the pixels with this name.
    pub(crate) mean: Lab,
}

/// Measures pictures; holds the palette in CIELAB.
#[derive(Debug)]
pub(crate) struct Palette {
    prototypes: Vec<(usize, Lab)>,
}

impl Default for Palette {
    fn default() -> Self {
        let prototypes = PALETTE
            .iter()
            .enumerate()
            .flat_map(|(i, (_, values))| values.iter().map(move |&v| (i, to_lab(rgb(v)))))
            .collect();
        Palette { prototypes }
    }
}

impl Palette {
    fn nearest(&self, lab: Lab) -> usize {
        let mut best = (f32::INFINITY, 0);
        for &(name, prototype) in &self.prototypes {
            let d = distance(lab, prototype);
            if d < best.0 {
                best = (d, name);
            }
        }
        best.1
    }

    /// Named colours of the covered part of a picture, the largest first.
    pub(crate) fn measure(&self, picture: &Square) -> Vec<Share> {
        let small = if picture.size > 48 { picture.clone().resized(48) } else { picture.clone() };
        let mut sums = vec![(0f32, [0f32; 3]); PALETTE.len()];
        let mut total = 0f32;
        for pixel in small.pixels.chunks_exact(4).filter(|p| p[3] >= 96) {
            let alpha = f32::from(pixel[3]) / 255.0;
            let channel = |c: u8| ((u32::from(c) * 255 + u32::from(pixel[3]) / 2) / u32::from(pixel[3])).min(255) as u8;
            let lab = to_lab([channel(pixel[0]), channel(pixel[1]), channel(pixel[2])]);
            let sum = &mut sums[self.nearest(lab)];
            sum.0 += alpha;
            for (sum, value) in sum.1.iter_mut().zip(lab) {
                *sum += alpha * value;
            }
            total += alpha;
        }
        let mut shares: Vec<Share> = sums
            .into_iter()
            .zip(PALETTE)
            .filter(|((area, _), _)| *area > 0.0)
            .map(|((area, sum), (name, _))| Share { name, share: area / total, mean: sum.map(|c| c / area) })
            .collect();
        shares.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.name.cmp(b.name)));
        shares
    }
}

/// The main colour, if one clearly is.
pub(crate) fn main_colour(shares: &[Share]) -> Option<&Share> {
    let first = shares.first()?;
    let alike = |s: &&Share| same_family(s.name, first.name);
    let family: f32 = shares.iter().filter(alike).map(|s| s.share).sum();
    let next = shares.iter().filter(|s| !alike(s)).map(|s| s.share).fold(0.0, f32::max);
    (first.share >= 0.3 && family >= 0.5 && family >= 2.0 * next).then_some(first)
}

/// The two colours that make up most of a picture.
pub(crate) fn two_colours(shares: &[Share]) -> Option<(&'static str, &'static str)> {
    let [a, b, ..] = shares else { return None };
    (b.share >= 0.2 && a.share + b.share >= 0.65 && !same_family(a.name, b.name)).then_some((a.name, b.name))
}

/// The largest colour and the largest that is no shade of it.
pub(crate) fn largest_two(shares: &[Share]) -> Option<(&'static str, &'static str)> {
    let first = shares.first()?;
    let second = shares.iter().find(|s| s.share >= 0.1 && !same_family(s.name, first.name))?;
    Some((first.name, second.name))
}

/// The colour that a name is a shade of: "blue" of "dark blue".
pub(crate) fn family(name: &str) -> &str {
    match name {
        "lavender" => "purple",
        "beige" => "brown",
        "turquoise" => "teal",
        _ => name.trim_start_matches("light ").trim_start_matches("dark "),
    }
}

/// Whether two names are shades that people would not tell apart in a caption ("blue", "dark blue").
pub(crate) fn same_family(a: &str, b: &str) -> bool {
    family(a) == family(b)
}

/// Whether a name is one of a colour without hue.
pub(crate) fn is_neutral(name: &str) -> bool {
    matches!(family(name), "white" | "gray" | "black")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_round_trips() {
        for colour in [[0, 0, 0], [255, 255, 255], [221, 46, 68], [30, 99, 214], [119, 178, 85]] {
            let back = from_lab(to_lab(colour));
            assert!(colour.iter().zip(back).all(|(a, b)| a.abs_diff(b) <= 1), "{colour:?} {back:?}");
        }
        let white = to_lab([255, 255, 255]);
        assert!((white[0] - 100.0).abs() < 0.1 && white[1].abs() < 0.1 && white[2].abs() < 0.1, "{white:?}");
    }

    /// Pairs 1, 7, 15, 17 and 25 of the test data published with the formula.
    #[test]
    fn ciede2000_of_published_pairs() {
        for (a, b, expected) in [
            ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
            ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
            ([50.0, -0.001, 2.49], [50.0, 0.0011, -2.49], 4.7461),
            ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
            ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                assert!((delta_e2000(a, b) - expected).abs() <= 2e-4, "{a:?} {b:?} {}", delta_e2000(a, b));
            }
        }
    }

    #[test]
    fn the_share_of_a_colour_is_of_the_covered_area() {
        let [r, g, b] = paint("red");
        let pixels: Vec<u8> = [[r, g, b, 255], [0, 0, 255, 255], [0, 0, 0, 0], [r, g, b, 255]].concat();
        assert!((share_of_colour(&pixels, "red").unwrap() - 2.0 / 3.0).abs() <= 1e-6);
        assert_eq!((share_of_colour(&pixels, "mauve"), share_of_colour(&[0; 16], "red")), (None, None));
    }

    #[test]
    fn every_paint_is_measured_as_itself() {
        let palette = Palette::default();
        for name in PAINTS {
            let [r, g, b] = paint(name);
            let picture = Square { size: 8, pixels: [r, g, b, 255].repeat(64) };
            let shares = palette.measure(&picture);
            assert_eq!((shares.len(), shares[0].name), (1, *name));
        }
    }
}
