//! The colour table among the tag records of an MGH file.
//!
//! A tag record is a 32-bit tag, a 64-bit length and that many bytes, all big-endian. The colour table (tag 1) has no
//! length. Behind its tag follow, as 32-bit integers: version -2, the largest id + 1, the length of a file name and its
//! bytes, the number of entries, and for each entry its id, the length of its name and the bytes, red, green, blue and
//! 255 - alpha. Lengths of texts count the NUL at their end.

use std::ops::Range;
use std::path::PathBuf;

use crate::IoError;

use super::MghHeader;
use super::header::FOOTER_BYTES;

const TAG: i32 = 1;
/// Other tags that have no length as old files write them, so that nothing behind them can be found.
const TAGS_WITHOUT_LENGTH: [i32; 3] = [2, 20, 30];
const VERSION: i32 = -2;
/// Id, length of the name and colours.
const MIN_ENTRY_BYTES: usize = 24;

/// Name and colour of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColorEntry {
    /// The label; below 2^31 - 1.
    pub id: u32,
    /// Name of the structure, without NUL.
    pub name: String,
    /// Red, green, blue, and alpha: 255 is opaque.
    pub rgba: [u8; 4],
}

impl MghHeader {
    /// The colour table of the file: one entry a label, as FreeSurfer writes it (tag 1, version -2).
    ///
    /// None where there is none, or none of that version that is whole. Names that are not UTF-8 are read with
    /// replacement characters. Reading and writing were checked against each other and against the layout that the
    /// module documents, not against FreeSurfer's own programs.
    #[must_use]
    pub fn color_table(&self) -> Option<Vec<ColorEntry>> {
        match find(&self.trailing) {
            Found::Table(_, entries) => Some(entries),
            Found::Nothing | Found::Unknown => None,
        }
    }

    /// Gives the file this colour table, in place of the one it has; no entry means no table. Entries are written in
    /// the order of their ids.
    ///
    /// ```
    /// use volkit_io::{ColorEntry, MghHeader};
    /// let mut header = MghHeader::default();
    /// let entry = ColorEntry { id: 17, name: "Left-Hippocampus".to_owned(), rgba: [220, 216, 20, 255] };
    /// header.set_color_table(&[entry.clone()])?;
    /// assert_eq!(header.color_table(), Some(vec![entry]));
    /// # Ok::<(), volkit_io::IoError>(())
    /// ```
    ///
    /// # Errors
    /// [`IoError::BadHeader`] for an id twice or too large, a name with a NUL, and a header with a colour table of
    /// another version, which can not be replaced.
    pub fn set_color_table(&mut self, entries: &[ColorEntry]) -> Result<(), IoError> {
        let place = match find(&self.trailing) {
            Found::Table(place, _) => place,
            Found::Nothing => {
                let footer = self.trailing.len().max(FOOTER_BYTES);
                self.trailing.resize(footer, 0);
                FOOTER_BYTES..FOOTER_BYTES
            }
            Found::Unknown => return Err(refused("another version", "the table that is there can not be replaced")),
        };
        let record = encode(entries)?;
        self.trailing.splice(place, record);
        Ok(())
    }
}

enum Found {
    Nothing,
    /// A colour table, but not of the known layout.
    Unknown,
    /// Where the record lies, with its tag.
    Table(Range<usize>, Vec<ColorEntry>),
}

fn find(trailing: &[u8]) -> Found {
    let Some(mut rest) = trailing.get(FOOTER_BYTES..) else { return Found::Nothing };
    loop {
        let start = trailing.len() - rest.len();
        match i32_of(&mut rest) {
            Some(TAG) => {
                let Some(entries) = decode(&mut rest) else { return Found::Unknown };
                return Found::Table(start..trailing.len() - rest.len(), entries);
            }
            Some(0) | None => return Found::Nothing,
            Some(tag) if TAGS_WITHOUT_LENGTH.contains(&tag) => return Found::Nothing,
            Some(_) => {}
        }
        let Some((length, content)) = rest.split_first_chunk::<8>() else { return Found::Nothing };
        let content = usize::try_from(i64::from_be_bytes(*length)).ok().and_then(|length| content.get(length..));
        let Some(behind) = content else { return Found::Nothing };
        rest = behind;
    }
}

/// Reads the record behind its tag; what is left begins behind it.
fn decode(rest: &mut &[u8]) -> Option<Vec<ColorEntry>> {
    if i32_of(rest)? != VERSION {
        return None;
    }
    i32_of(rest)?;
    text(rest)?;
    let count = usize::try_from(i32_of(rest)?).ok()?;
    // A count that the bytes can not hold must not be allocated for.
    if count > rest.len() / MIN_ENTRY_BYTES {
        return None;
    }
    (0..count).map(|_| entry(rest)).collect()
}

fn entry(rest: &mut &[u8]) -> Option<ColorEntry> {
    let id = u32::try_from(i32_of(rest)?).ok()?;
    let name = text(rest)?;
    let mut byte = || i32_of(rest).and_then(|value| u8::try_from(value).ok());
    let rgba = [byte()?, byte()?, byte()?, 255 - byte()?];
    Some(ColorEntry { id, name, rgba })
}

fn i32_of(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(i32::from_be_bytes(*bytes))
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(i32_of(rest)?).ok()?;
    let (bytes, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn encode(entries: &[ColorEntry]) -> Result<Vec<u8>, IoError> {
    let mut entries: Vec<(i32, &ColorEntry)> = entries.iter().map(checked).collect::<Result<_, _>>()?;
    entries.sort_by_key(|&(id, _)| id);
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(refused(pair[0].0, "the id stands there twice"));
    }
    let Some(&(largest, _)) = entries.last() else { return Ok(Vec::new()) };
    let count = i32::try_from(entries.len()).map_err(|_| refused(entries.len(), "too many entries"))?;
    let mut record = Vec::new();
    let mut put = |bytes: &[u8]| record.extend_from_slice(bytes);
    [TAG, VERSION, largest + 1].iter().for_each(|number| put(&number.to_be_bytes()));
    // No file of its own: an empty name with its NUL.
    put(&1i32.to_be_bytes());
    put(&[0]);
    put(&count.to_be_bytes());
    for (id, ColorEntry { name, rgba: [red, green, blue, alpha], .. }) in entries {
        let length = i32::try_from(name.len() + 1).map_err(|_| refused(id, "its name is too long"))?;
        [id, length].iter().for_each(|number| put(&number.to_be_bytes()));
        put(name.as_bytes());
        put(&[0]);
        [*red, *green, *blue, 255 - alpha].iter().for_each(|&value| put(&i32::from(value).to_be_bytes()));
    }
    Ok(record)
}

fn checked(entry: &ColorEntry) -> Result<(i32, &ColorEntry), IoError> {
    if entry.name.contains('\0') {
        return Err(refused(entry.name.escape_debug(), "a name must not contain NUL"));
    }
    match i32::try_from(entry.id) {
        Ok(id) if id < i32::MAX => Ok((id, entry)),
        _ => Err(refused(entry.id, "an id must be below 2147483647")),
    }
}

fn refused(value: impl std::fmt::Display, why: &str) -> IoError {
    let path = PathBuf::from("MGH header");
    IoError::BadHeader { path, field: "color table".to_owned(), value: value.to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{ColorEntry, MghHeader};

    fn entry(id: u32, name: &str, rgba: [u8; 4]) -> ColorEntry {
        ColorEntry { id, name: name.to_owned(), rgba }
    }

    /// A record of another kind: tag 3 (a command line).
    fn command_line() -> Vec<u8> {
        [&3i32.to_be_bytes()[..], &5i64.to_be_bytes(), b"abcd\0"].concat()
    }

    #[test]
    fn bytes_by_hand() {
        let mut header = MghHeader::default();
        header.set_color_table(&[entry(2, "b", [1, 2, 3, 255]), entry(0, "", [0; 4])]).unwrap();
        let wanted: [&[u8]; 7] = [
            &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255],
            &[0, 0, 0, 2, 0, 0, 0, 2, b'b', 0],
            &[0, 0, 0, 1, 0, 0, 0, 2],
            &[0, 0, 0, 3],
            &[0, 0, 0, 0],
        ];
        assert_eq!(header.trailing[20..], wanted.concat());
        let entries = header.color_table().unwrap();
        assert_eq!(entries, [entry(0, "", [0; 4]), entry(2, "b", [1, 2, 3, 255])]);
    }

    #[test]
    fn other_tags_stay_before_and_behind() {
        let mut header = MghHeader::default();
        header.trailing.extend(command_line());
        let without = header.clone();
        header.set_color_table(&[entry(1, "one", [9, 8, 7, 6])]).unwrap();
        header.trailing.splice(20..20, command_line());
        header.set_color_table(&[entry(70_000, "ä", [9, 8, 7, 255])]).unwrap();
        assert_eq!(header.color_table().unwrap(), [entry(70_000, "ä", [9, 8, 7, 255])]);
        header.set_color_table(&[]).unwrap();
        assert_eq!(header.color_table(), None);
        assert_eq!(header.trailing, [&without.trailing[..], &command_line()].concat());
    }

    #[test]
    fn what_can_not_be_written_is_refused() {
        let mut header = MghHeader::default();
        for (entries, wanted) in [
            (
                vec![entry(u32::MAX, "a", [0; 4])],
                "MGH header: color table = 4294967295: an id must be below 2147483647",
            ),
            (
                vec![entry(1, "a", [0; 4]), entry(1, "b", [0; 4])],
                "MGH header: color table = 1: the id stands there twice",
            ),
            (vec![entry(1, "a\0", [0; 4])], "MGH header: color table = a\\0: a name must not contain NUL"),
        ] {
            assert_eq!(header.set_color_table(&entries).unwrap_err().to_string(), wanted);
        }
        assert_eq!(header.color_table(), None);
    }

    #[test]
    fn cut_or_odd_records_are_no_table() {
        let mut whole = MghHeader::default();
        whole.set_color_table(&[entry(3, "three", [1, 2, 3, 4])]).unwrap();
        for length in 0..whole.trailing.len() {
            let header = MghHeader { trailing: whole.trailing[..length].to_vec(), ..MghHeader::default() };
            assert_eq!(header.color_table(), None, "{length}");
        }
        for (at, byte) in [(24, 0), (32, 0x7f), (32, 0xff), (37, 0x7f), (41, 0xff), (45, 0x7f), (55, 1)] {
            let mut header = whole.clone();
            header.trailing[at] = byte;
            assert_eq!(header.color_table(), None, "{at}");
        }
        whole.trailing[24] = 0;
        assert!(whole.set_color_table(&[]).unwrap_err().to_string().contains("another version"));
    }
}
