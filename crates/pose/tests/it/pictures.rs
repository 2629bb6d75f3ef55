//! Pictures in files of their own.

use std::io::Cursor;

use volkit_pose::{Frame, FrameSource, Opener, PictureSequence, PoseError, read_jpeg, read_png};

/// A baseline JPEG of flat blocks of 8 x 8 side by side, each of one number a component: grey, or luma and the two of
/// chroma. Nothing is lost: the quantisation is 8, so that the coefficient of a flat block is its value less 128.
fn flat_jpeg(blocks: &[&[u8]]) -> Vec<u8> {
    let n = blocks[0].len() as u8;
    let width = 8 * blocks.len() as u8;
    let segment = |marker: u8, body: &[u8]| {
        let length = (body.len() + 2) as u16;
        [&[0xff, marker][..], &length.to_be_bytes(), body].concat()
    };
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend(segment(0xdb, &[&[0][..], &[8; 64]].concat()));
    let components: Vec<u8> = (1..=n).flat_map(|c| [c, 0x11, 0]).collect();
    bytes.extend(segment(0xc0, &[&[8, 0, 8, 0, width, n][..], &components].concat()));
    // Differences of 0 to 8 bits have codes of four bits, "nothing more in this block" has one of one bit.
    bytes.extend(segment(0xc4, &[0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
    bytes.extend(segment(0xc4, &[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let scan: Vec<u8> = (1..=n).flat_map(|c| [c, 0]).collect();
    bytes.extend(segment(0xda, &[&[n][..], &scan, &[0, 63, 0]].concat()));
    let mut bits = String::new();
    let mut before = vec![0i32; usize::from(n)];
    for block in blocks {
        for (value, before) in block.iter().zip(&mut before) {
            let value = i32::from(*value) - 128;
            let difference = value - std::mem::replace(before, value);
            let size = 32 - difference.unsigned_abs().leading_zeros();
            bits += &format!("{size:04b}");
            if size > 0 {
                // Negative numbers are one's complements.
                let code = if difference > 0 { difference } else { difference + (1 << size) - 1 };
                bits += &format!("{code:0width$b}", width = size as usize);
            }
            bits += "0";
        }
    }
    while !bits.len().is_multiple_of(8) {
        bits += "1";
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap();
        bytes.extend(if byte == 0xff { vec![0xff, 0] } else { vec![byte] });
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Frame, PoseError> {
    let mut frame = Frame::default();
    read_jpeg(Cursor::new(bytes), "a.jpg", &mut frame).map(|()| frame)
}

#[test]
fn grey_jpegs_by_hand() {
    let frame = decoded(&flat_jpeg(&[&[30], &[200], &[0]])).unwrap();
    assert_eq!((frame.width, frame.height, frame.channels), (24, 8, 3));
    for (x, wanted) in [(0, 30), (7, 30), (8, 200), (15, 200), (16, 0), (23, 0)] {
        for y in [0, 7] {
            // Decoders may round the inverse transform by one.
            assert!(frame.rgb(x, y).iter().all(|c| c.abs_diff(wanted) <= 1), "{x} {y}: {:?}", frame.rgb(x, y));
        }
    }
}

#[test]
fn colour_jpegs_by_hand() {
    // Y = 0.299 R + 0.587 G + 0.114 B: red is 76, 85, 255; the second block is a grey of 128.
    let frame = decoded(&flat_jpeg(&[&[76, 85, 255], &[128, 128, 128]])).unwrap();
    let [r, g, b] = frame.rgb(3, 3);
    assert!(r >= 252 && g <= 2 && b <= 2, "{r} {g} {b}");
    assert!(frame.rgb(12, 5).iter().all(|c| c.abs_diff(128) <= 1), "{:?}", frame.rgb(12, 5));
}

#[test]
fn what_is_no_jpeg_is_refused_by_name() {
    let whole = flat_jpeg(&[&[30], &[200]]);
    for bad in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xd9", b"GIF89a", &whole[..40]] {
        let error = decoded(bad).unwrap_err();
        assert!(matches!(error, PoseError::Read { .. }) && error.to_string().contains("a.jpg"), "{error}");
    }
}

/// A grey PNG of one row.
fn png_of(pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.len() as u32, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

fn sequence(pictures: Vec<Vec<u8>>) -> PictureSequence {
    let n = pictures.len();
    let opener: Opener = Box::new(move |i| Ok((format!("{i}.pic"), Box::new(Cursor::new(pictures[i].clone())))));
    PictureSequence::new(n, opener)
}

#[test]
fn a_folder_may_hold_both_kinds() {
    let mut all = sequence(vec![png_of(&[9; 16]), vec![1, 2, 3], png_of(&[7; 16])]);
    let mut frame = Frame::default();
    assert_eq!(all.n_frames(), Some(3));
    assert!(all.next(&mut frame).unwrap());
    assert_eq!((frame.rgb(15, 0), frame.channels), ([9; 3], 1));
    assert!(all.skip().unwrap(), "what is skipped is not opened");
    assert!(all.next(&mut frame).unwrap());
    assert_eq!(frame.grey(0, 0), 7);
    assert!(!all.next(&mut frame).unwrap() && !all.skip().unwrap());

    let mut jpegs = sequence(vec![flat_jpeg(&[&[10], &[20]]), flat_jpeg(&[&[30], &[40]])]);
    assert!(jpegs.next(&mut frame).unwrap() && jpegs.next(&mut frame).unwrap());
    assert!(frame.grey(9, 3).abs_diff(40) <= 1);
}

#[test]
fn pictures_of_another_size_or_kind_are_refused() {
    let mut frame = Frame::default();
    let mut sizes = sequence(vec![png_of(&[1, 2]), png_of(&[1, 2, 3])]);
    assert!(sizes.next(&mut frame).unwrap());
    let error = sizes.next(&mut frame).unwrap_err().to_string();
    assert!(error.contains("1.pic") && error.contains("3 x 1"), "{error}");
    assert!(sequence(vec![b"nothing".to_vec()]).next(&mut frame).is_err());
    let missing: Opener = Box::new(|i| Err(format!("no picture {i}").into()));
    assert!(PictureSequence::new(1, missing).next(&mut frame).is_err());
    let mut half = Frame::default();
    assert!(read_png(Cursor::new(&png_of(&[5; 9])[..30]), "half.png", &mut half).is_err());
}
