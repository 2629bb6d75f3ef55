//! Writing zip archives: deflated entries, zip64 records, equal bytes for equal content.

use std::io::{self, Write};

use flate2::{Compression, write::DeflateEncoder};

/// Version that readers need for zip64.
const VERSION: u16 = 45;
const DEFLATED: u16 = 8;
/// 1 January 1980: archives do not depend on when they are made.
const DOS_DATE: u16 = 0x21;
const ZIP64: u16 = 1;
const IN_ZIP64: u32 = 0xffff_ffff;

struct Written {
    name: String,
    crc: u32,
    len: u64,
    compressed_len: u64,
    header_at: u64,
}

/// Writes an archive to a stream that can not seek back.
pub(crate) struct ZipWriter<'a> {
    out: &'a mut dyn Write,
    position: u64,
    entries: Vec<Written>,
}

impl<'a> ZipWriter<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, position: 0, entries: Vec::new() }
    }

    /// Adds an entry with this content.
    pub(crate) fn add(&mut self, name: &str, content: &[&[u8]], level: u32) -> io::Result<()> {
        let mut crc = crc32fast::Hasher::new();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level.min(9)));
        let mut len = 0;
        for part in content {
            crc.update(part);
            encoder.write_all(part)?;
            len += part.len() as u64;
        }
        let compressed = encoder.finish()?;
        let entry = Written {
            name: name.to_owned(),
            crc: crc.finalize(),
            len,
            compressed_len: compressed.len() as u64,
            header_at: self.position,
        };
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend(entry.common_fields());
        // Local records hold both sizes in zip64.
        header.extend(20u16.to_le_bytes());
        header.extend(name.as_bytes());
        header.extend([ZIP64.to_le_bytes(), 16u16.to_le_bytes()].concat());
        header.extend([entry.len.to_le_bytes(), entry.compressed_len.to_le_bytes()].concat());
        self.put(&header)?;
        self.put(&compressed)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the directory.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let start = self.position;
        for entry in std::mem::take(&mut self.entries) {
            let mut record = b"PK\x01\x02".to_vec();
            record.extend([VERSION.to_le_bytes(), VERSION.to_le_bytes()].concat());
            record.extend(entry.common_fields());
            record.extend(28u16.to_le_bytes());
            // Comment length, disk, internal and external attributes.
            record.extend([0; 10]);
            record.extend(IN_ZIP64.to_le_bytes());
            record.extend(entry.name.as_bytes());
            record.extend([ZIP64.to_le_bytes(), 24u16.to_le_bytes()].concat());
            for field in [entry.len, entry.compressed_len, entry.header_at] {
                record.extend(field.to_le_bytes());
            }
            self.put(&record)?;
            self.entries.push(entry);
        }
        let (size, end64_at, n) = (self.position - start, self.position, self.entries.len() as u64);
        let mut end = b"PK\x06\x06".to_vec();
        end.extend(44u64.to_le_bytes());
        end.extend([VERSION.to_le_bytes(), VERSION.to_le_bytes()].concat());
        end.extend([0; 8]);
        for field in [n, n, size, start] {
            end.extend(field.to_le_bytes());
        }
        end.extend(b"PK\x06\x07\0\0\0\0");
        end.extend(end64_at.to_le_bytes());
        end.extend(1u32.to_le_bytes());
        end.extend(b"PK\x05\x06\0\0\0\0");
        let count = u16::try_from(n).unwrap_or(u16::MAX);
        end.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
        let narrow = |value: u64| u32::try_from(value).unwrap_or(IN_ZIP64);
        end.extend([narrow(size).to_le_bytes(), narrow(start).to_le_bytes()].concat());
        end.extend([0; 2]);
        self.put(&end)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.position += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

impl Written {
    /// Flags to name length, which local and central records share.
    fn common_fields(&self) -> Vec<u8> {
        let mut fields = vec![0, 0];
        fields.extend(DEFLATED.to_le_bytes());
        fields.extend([0, 0]);
        fields.extend(DOS_DATE.to_le_bytes());
        fields.extend(self.crc.to_le_bytes());
        fields.extend([IN_ZIP64.to_le_bytes(), IN_ZIP64.to_le_bytes()].concat());
        fields.extend((self.name.len() as u16).to_le_bytes());
        fields
    }
}
