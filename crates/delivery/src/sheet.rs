//! The contact sheet: pages of thumbnails with captions, as PDF. A4, upright; the text is Helvetica, which every reader has.

use jpeg_encoder::{ColorType, Encoder};
use layout::{Picture, ResizeError, resize};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::encode::on_white;

/// Longest side of a thumbnail, pixels.
const SIDE: u32 = 320;
/// Size of a page, and its margin, in points.
const PAGE: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 40.0;
/// Cells of a page.
const COLUMNS: usize = 3;
const ROWS: usize = 4;
/// Height of the title, and of the captions below a picture, in points.
const TITLE: f32 = 34.0;
const CAPTION: f32 = 34.0;
const GAP: f32 = 14.0;

/// A small picture, as JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// JPEG, RGB.
    pub jpeg: Vec<u8>,
}

impl Thumbnail {
    /// A thumbnail of at most 320 pixels a side, on white.
    pub fn of(picture: &Picture) -> Result<Self, ResizeError> {
        let longer = picture.width().max(picture.height());
        let scaled = |side: u32| if longer <= SIDE { side } else { (side * SIDE / longer).max(1) };
        let (width, height) = (scaled(picture.width()), scaled(picture.height()));
        let small = resize(picture, width, height)?;
        let mut jpeg = Vec::new();
        let refused = |message: String| ResizeError::Refused { width, height, message };
        let size = |side: u32| u16::try_from(side).map_err(|error| refused(error.to_string()));
        Encoder::new(&mut jpeg, 82)
            .encode(&on_white(&small), size(width)?, size(height)?, ColorType::Rgb)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { width, height, jpeg })
    }
}

/// Pages of thumbnails with up to three lines of caption each, under a title. Characters beyond Latin-1 become `?`. The same
/// input gives the same bytes.
pub fn contact_sheet(title: &str, entries: &[(Thumbnail, Vec<String>)]) -> Vec<u8> {
    let mut pdf = Pdf::new();
    let mut next = 1;
    let mut id = || {
        next += 1;
        Ref::new(next - 1)
    };
    let (catalog, tree, regular, bold, info) = (id(), id(), id(), id(), id());
    let pages: Vec<&[(Thumbnail, Vec<String>)]> =
        if entries.is_empty() { vec![&[]] } else { entries.chunks(COLUMNS * ROWS).collect() };
    let page_ids: Vec<Ref> = pages.iter().map(|_| id()).collect();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids(page_ids.iter().copied()).count(page_ids.len() as i32);
    pdf.document_info(info).title(TextStr(title));
    for (font, name) in [(regular, &b"Helvetica"[..]), (bold, &b"Helvetica-Bold"[..])] {
        pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (number, (entries, page_id)) in pages.iter().zip(&page_ids).enumerate() {
        let images: Vec<Ref> = entries.iter().map(|_| id()).collect();
        let content_id = id();
        let mut content = Content::new();
        let head = format!("{title}  \u{b7}  {} / {}", number + 1, pages.len());
        write(&mut content, b"B", 12.0, MARGIN, PAGE.1 - MARGIN - 10.0, 0.15, &cut(&head, 80));
        let cell_width = (PAGE.0 - 2.0 * MARGIN - GAP * (COLUMNS - 1) as f32) / COLUMNS as f32;
        let cell_height = (PAGE.1 - 2.0 * MARGIN - TITLE - GAP * (ROWS - 1) as f32) / ROWS as f32;
        for (i, (thumbnail, lines)) in entries.iter().enumerate() {
            let left = MARGIN + (i % COLUMNS) as f32 * (cell_width + GAP);
            let top = PAGE.1 - MARGIN - TITLE - (i / COLUMNS) as f32 * (cell_height + GAP);
            let room = cell_height - CAPTION;
            let (width, height) = (thumbnail.width as f32, thumbnail.height as f32);
            let scale = (cell_width / width).min(room / height);
            let (width, height) = (width * scale, height * scale);
            let (x, y) = (left + (cell_width - width) / 2.0, top - room + (room - height) / 2.0);
            content.set_fill_gray(0.955);
            content.rect(left, top - room, cell_width, room).fill_nonzero();
            content.save_state().transform([width, 0.0, 0.0, height, x, y]);
            content.x_object(Name(format!("I{i}").as_bytes())).restore_state();
            for (line, text) in lines.iter().take(3).enumerate() {
                let grey = if line == 0 { 0.1 } else { 0.4 };
                write(&mut content, b"R", 6.5, left, top - room - 9.0 - 9.0 * line as f32, grey, &cut(text, 46));
            }
        }
        let mut page = pdf.page(*page_id);
        page.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).parent(tree).contents(content_id);
        let mut resources = page.resources();
        resources.fonts().pair(Name(b"R"), regular).pair(Name(b"B"), bold);
        let mut objects = resources.x_objects();
        for (i, image) in images.iter().enumerate() {
            objects.pair(Name(format!("I{i}").as_bytes()), *image);
        }
        objects.finish();
        resources.finish();
        page.finish();
        pdf.stream(content_id, &content.finish());
        for ((thumbnail, _), image_id) in entries.iter().zip(&images) {
            let mut image = pdf.image_xobject(*image_id, &thumbnail.jpeg);
            image.filter(Filter::DctDecode);
            image.width(thumbnail.width as i32).height(thumbnail.height as i32);
            image.color_space().device_rgb();
            image.bits_per_component(8);
        }
    }
    pdf.finish()
}

fn write(content: &mut Content, font: &[u8], size: f32, x: f32, y: f32, grey: f32, text: &str) {
    // WinAnsi agrees with Latin-1 where Latin-1 has letters.
    let bytes: Vec<u8> = text
        .chars()
        .map(|c| match u32::from(c) {
            code @ (0x20..=0x7e | 0xa0..=0xff) => code as u8,
            _ => b'?',
        })
        .collect();
    content.set_fill_gray(grey);
    content.begin_text().set_font(Name(font), size).next_line(x, y).show(Str(&bytes)).end_text();
}

/// At most so many characters, with dots in the middle of longer texts: names differ at their ends.
fn cut(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.into();
    }
    let half = (most - 3) / 2;
    let (start, end) = (&characters[..half], &characters[characters.len() - half..]);
    start.iter().chain(&['.', '.', '.']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::tests::busy;

    #[test]
    fn thumbnails_are_small_pictures() {
        let thumbnail = Thumbnail::of(&busy(2000, 500)).unwrap();
        assert_eq!((thumbnail.width, thumbnail.height), (320, 80));
        let image = image::load_from_memory(&thumbnail.jpeg).unwrap();
        assert_eq!((image.width(), image.height()), (320, 80));
        let thin = Thumbnail::of(&Picture::filled(8192, 1, [1, 2, 3, 4]).unwrap()).unwrap();
        assert_eq!((thin.width, thin.height), (320, 1));
    }

    #[test]
    fn a_sheet_has_a_page_for_twelve() {
        let entry = (Thumbnail::of(&busy(64, 48)).unwrap(), vec!["a(b)\\c.jpg".to_owned(), "ü 春".to_owned()]);
        for (count, pages) in [(0, 1), (1, 1), (12, 1), (13, 2), (40, 4)] {
            let sheet = contact_sheet("Autumn (draft)", &vec![entry.clone(); count]);
            assert!(sheet.starts_with(b"%PDF-1.7") && sheet.ends_with(b"%%EOF"), "{count}");
            let text = String::from_utf8_lossy(&sheet);
            assert_eq!(text.matches("/Type /Page\n").count(), pages, "{count}");
            assert_eq!(text.matches("/DCTDecode").count(), count);
        }
        let one = std::slice::from_ref(&entry);
        assert_eq!(contact_sheet("t", one), contact_sheet("t", one));
        assert_eq!(cut("abcdefghijklmnop", 9), "abc...nop");
    }
}
