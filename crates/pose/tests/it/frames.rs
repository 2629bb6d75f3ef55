//! Videos.

use std::io::Cursor;

use volkit_pose::{Frame, FrameSource, PictureSequence, PixmapStream, PoseError, Y4mStream};

fn y4m(bytes: &[u8]) -> Result<Y4mStream, PoseError> {
    Y4mStream::new(Box::new(Cursor::new(bytes.to_vec())), "video.y4m")
}

fn pixmaps(bytes: &[u8]) -> PixmapStream {
    PixmapStream::new(Box::new(Cursor::new(bytes.to_vec())), "pipe")
}

/// All frames of a source, the end told twice.
fn all(source: &mut dyn FrameSource) -> Vec<Frame> {
    let (mut frames, mut frame) = (Vec::new(), Frame::default());
    while source.next(&mut frame).unwrap() {
        frames.push(frame.clone());
    }
    assert!(!source.next(&mut frame).unwrap());
    frames
}

#[test]
fn y4m_by_hand() {
    // 3 x 1 pixels of 4:2:0, full range: grey, then red in the first two columns.
    let mut bytes = b"YUV4MPEG2 W3 H1 F30:1 Ip C420jpeg XCOLORRANGE=FULL\nFRAME\n".to_vec();
    bytes.extend([0, 128, 255, 128, 128, 128, 128]);
    bytes.extend(b"FRAME Ixyz\n");
    bytes.extend([76, 76, 10, 85, 128, 255, 128]);
    let frames = all(&mut y4m(&bytes).unwrap());
    assert_eq!(frames.len(), 2);
    assert_eq!((frames[0].width, frames[0].height, frames[0].channels), (3, 1, 3));
    assert_eq!(frames[0].pixels, [0, 0, 0, 128, 128, 128, 255, 255, 255]);
    assert_eq!(frames[1].rgb(2, 0), [10; 3]);
    let [r, g, b] = frames[1].rgb(0, 0);
    assert!(r >= 253 && g <= 2 && b <= 2, "{r} {g} {b}");
    // Limited range: 16 is black, 235 white.
    let mut bytes = b"YUV4MPEG2 W2 H1 C444\nFRAME\n".to_vec();
    bytes.extend([16, 235, 128, 128, 128, 128]);
    assert_eq!(all(&mut y4m(&bytes).unwrap())[0].pixels, [0, 0, 0, 255, 255, 255]);
    let frames = all(&mut y4m(b"YUV4MPEG2 W2 H2 Cmono\nFRAME\nabcd").unwrap());
    assert_eq!((frames[0].channels, frames[0].grey(1, 1)), (1, b'd'));
    let mut skipped = y4m(b"YUV4MPEG2 W1 H1 Cmono\nFRAME\naFRAME\nb").unwrap();
    assert!(skipped.skip().unwrap());
    assert_eq!(all(&mut skipped)[0].pixels, b"b");
}

#[test]
fn y4m_that_can_not_be_read_is_refused() {
    for header in
        ["", "RIFF", "YUV4MPEG2 W2\n", "YUV4MPEG2 W2 H2 It\n", "YUV4MPEG2 W2 H2 C420p10\n", "YUV4MPEG2 W99999 H1\n"]
    {
        assert!(matches!(y4m(header.as_bytes()), Err(PoseError::Input { .. })), "{header}");
    }
    let mut frame = Frame::default();
    assert!(y4m(b"YUV4MPEG2 W2 H2 Cmono\nFRAME\nabc").unwrap().next(&mut frame).is_err(), "truncated");
    assert!(y4m(b"YUV4MPEG2 W2 H2 Cmono\nGARBAGE\nabcd").unwrap().next(&mut frame).is_err());
}

#[test]
fn pixmaps_by_hand() {
    let frames = all(&mut pixmaps(b"P6\n2 1\n255\nabcdefP6\n2 1\n255\nghijkl"));
    assert_eq!(frames.len(), 2);
    assert_eq!((frames[1].rgb(1, 0), frames[1].channels), (*b"jkl", 3));
    assert_eq!(all(&mut pixmaps(b"P5 1 2 255 xy"))[0].pixels, b"xy");
    assert!(all(&mut pixmaps(b"")).is_empty());
    let mut frame = Frame::default();
    for bad in [
        &b"P4 1 1 255 x"[..],
        b"P6 1 1 65535 x",
        b"P5 0 1 255 ",
        b"P5 2 2 255 xyz",
        b"P5 1 1 255 xP5 2 1 255 xy",
        b"\xff",
    ] {
        let mut source = pixmaps(bad);
        let mut outcome = source.next(&mut frame);
        while let Ok(true) = outcome {
            outcome = source.next(&mut frame);
        }
        assert!(outcome.is_err(), "{bad:?}");
    }
}

fn png(width: u32, height: u32, colour: png::ColorType, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

fn sequence(pictures: Vec<Vec<u8>>) -> PictureSequence {
    let n = pictures.len();
    PictureSequence::new(n, Box::new(move |i| Ok((format!("{i}.png"), Box::new(Cursor::new(pictures[i].clone()))))))
}

#[test]
fn pictures_are_a_video() {
    let grey = png(2, 1, png::ColorType::Grayscale, b"ab");
    let alpha = png(2, 1, png::ColorType::GrayscaleAlpha, b"aAbB");
    let mut source = sequence(vec![grey.clone(), alpha]);
    assert_eq!(source.n_frames(), Some(2));
    let frames = all(&mut source);
    assert!(frames.iter().all(|frame| frame.pixels == b"ab" && frame.channels == 1));
    let rgb = png(1, 1, png::ColorType::Rgba, b"rgbx");
    assert_eq!(all(&mut sequence(vec![rgb.clone()]))[0].rgb(0, 0), *b"rgb");
    // A picture that is skipped is not even decoded.
    let mut source = sequence(vec![b"nonsense".to_vec(), grey.clone()]);
    assert!(source.skip().unwrap());
    assert_eq!(all(&mut source).len(), 1);
    assert!(!source.skip().unwrap());
    let mut frame = Frame::default();
    let mut differing = sequence(vec![grey, rgb]);
    assert!(differing.next(&mut frame).unwrap());
    let error = differing.next(&mut frame).unwrap_err().to_string();
    assert!(error.contains("1.png") && error.contains("1 x 1"), "{error}");
    assert!(sequence(vec![b"nonsense".to_vec()]).next(&mut frame).is_err());
}

#[test]
fn grey_is_that_of_television() {
    let frame = Frame { width: 2, height: 1, channels: 3, pixels: vec![255, 0, 0, 0, 255, 0] };
    assert_eq!([frame.grey(0, 0), frame.grey(1, 0)], [76, 150]);
}
