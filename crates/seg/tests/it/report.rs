//! Reports: pages that need nothing else, with the right figures in the right places.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use volkit_core::{Affine, Volume};
use volkit_seg::{
    Label, LabelTable, LabelVolume, MontageOptions, QC_THRESHOLD, ReportIndex, ReportPage, ReportStatus, ReportSummary,
    ReportVolume, RunFacts, Structures, Tissues, View,
};

use crate::nets::ball;

const AFFINE: Affine = Affine::from_rows([[4.0, 0.0, 0.0, -60.0], [0.0, 4.0, 0.0, -60.0], [0.0, 0.0, 4.0, -60.0]]);

fn table() -> LabelTable {
    LabelTable::new([
        Label::new(0, "background", [0; 3]),
        Label::new(16, "brain-stem", [119, 159, 176]),
        Label::new(17, "left hippocampus", [220, 216, 20]),
        Label::new(53, "right hippocampus", [220, 216, 20]),
        Label::new(1001, "ctx-lh-<bankssts>", [25, 100, 40]),
        Label::new(2001, "ctx-rh-<bankssts>", [25, 100, 40]),
    ])
}

/// A ball whose left half is label 17 and whose right half is label 53.
fn scan_and_labels() -> (Volume, Volume) {
    let size = [31, 31, 31];
    let scan = ball(size, AFFINE, [0.0; 3], 40.0);
    let values = scan.as_slice::<u8>().unwrap();
    let label = |i: usize| match (values[i], AFFINE.apply([(i % 31) as f64, 0.0, 0.0])[0]) {
        (0, _) => 0,
        (_, x) if x < 0.0 => 17,
        _ => 53,
    };
    let labels: Vec<i32> = (0..values.len()).map(label).collect();
    (scan.clone(), Volume::new(size, labels, AFFINE).unwrap())
}

fn volumes() -> Vec<LabelVolume> {
    let volume = |id, mm3| LabelVolume { id, voxels: 1, mm3 };
    vec![
        volume(0, 9e6),
        volume(16, 20_123.456_7),
        volume(17, 4_400.0),
        volume(53, 3_600.0),
        volume(1001, 1_000.0),
        volume(2001, 1_000.0),
    ]
}

fn facts() -> RunFacts {
    RunFacts::new("synthseg 0.1.0")
        .with_model("net <1>.safetensors", "00ff")
        .with_mode("exact")
        .with_path("kernel")
        .with_device("cpu (avx2)")
        .with_threads(2)
        .with_stage("network", 12.34)
        .with_stage("write & sync", 1.0)
        .with_cpu_secs(187.0)
        .with_peak_bytes(1_234_000_000)
        .with_fact("Options", "--parc \"x\"")
}

/// Whether every element that is opened is closed in order; void elements aside.
fn assert_balanced(html: &str) {
    const VOID: [&str; 5] = ["meta", "link", "img", "br", "!doctype"];
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name = tag.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "{}", &rest[..rest.len().min(80)]);
        } else if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The row of a table that holds a text.
fn row_with<'a>(html: &'a str, text: &str) -> &'a str {
    html.split("<tr>").skip(1).find(|row| row.contains(text)).unwrap_or_else(|| panic!("no row with {text}"))
}

#[test]
fn a_page_asks_for_nothing_and_escapes_everything() {
    let (scan, labels) = scan_and_labels();
    let table = table();
    let page = ReportPage::new("a<script>alert(1)</script>&\"'.nii", &scan, &labels, &table)
        .with_label_volumes(&volumes())
        .with_warnings(["<img src=http://x>", "two\nlines"])
        .with_facts(facts());
    let html = page.render().unwrap();
    assert_balanced(&html);
    assert!(!html.contains("<script") && !html.contains("<img src=http"), "markup came through");
    assert!(html.contains("a&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;.nii"));
    assert!(html.contains("<li>&lt;img src=http://x&gt;</li>"));
    assert!(html.contains("net &lt;1&gt;.safetensors") && html.contains("write &amp; sync"));
    // What loads anything: sources, links, style sheets. All are data, none is an address.
    for attribute in ["src=\"", "href=\"", "url("] {
        for target in html.split(attribute).skip(1) {
            assert!(target.starts_with("data:"), "{attribute}{}", &target[..target.len().min(60)]);
        }
    }
    assert!(!html.contains("@import") && !html.contains("<iframe") && !html.contains(" onload"));
    assert_eq!(html.matches("<figure>").count(), 15);
    for fact in ["exact", "kernel", "cpu (avx2)", "3 min 07 s", "1.23 GB", "sha256 00ff", "12.3 s", "synthseg 0.1.0"] {
        assert!(html.contains(fact), "{fact}");
    }
}

#[test]
fn volumes_stand_in_pairs_with_their_asymmetry() {
    let (scan, labels) = scan_and_labels();
    let table = table();
    let html = ReportPage::new("s", &scan, &labels, &table).with_label_volumes(&volumes()).render().unwrap();
    // 100 (4400 - 3600) / 4000 = 20 %: to the left, 20 / 25 of the half.
    let hippocampus = row_with(&html, "</span>hippocampus</td>");
    assert!(hippocampus.contains("<td class=\"n\" title=\"4400.000 mm\u{b3}\">4.40</td>"), "{hippocampus}");
    assert!(hippocampus.contains(">3.60</td><td class=\"n\">+20.0</td>"), "{hippocampus}");
    assert!(hippocampus.contains("<i class=\"left\" style=\"width: 40.0%\">"), "{hippocampus}");
    let stem = row_with(&html, "</span>brain-stem</td>");
    assert!(stem.contains("title=\"20123.457 mm\u{b3}\">20.12</td></tr>"), "{stem}");
    let parcel = row_with(&html, "&lt;bankssts&gt;");
    assert!(parcel.contains(">1.00</td><td class=\"n\">0.0</td>"), "{parcel}");
    assert!(!html.contains("9000.00"), "the background is listed");
    let headings = ["Left and right", "In the middle", "Parcels of the cortex"];
    let at: Vec<_> = headings.iter().map(|heading| html.find(&format!("<h3>{heading}</h3>")).unwrap()).collect();
    assert!(at.is_sorted(), "{at:?}");
    // A network that does not tell the sides apart has one list.
    let unsided = LabelTable::neutral(4);
    let volumes: Vec<_> = (0..4).map(|id| LabelVolume { id, voxels: 1, mm3: 1e3 }).collect();
    let html = ReportPage::new("s", &scan, &labels, &unsided).with_label_volumes(&volumes).render().unwrap();
    assert!(html.contains("<h3>Structures</h3>") && !html.contains("Asymmetry"));
    assert_balanced(&html);
}

#[test]
fn scores_below_the_threshold_flag_the_scan() {
    let (scan, labels) = scan_and_labels();
    let table = table();
    let page = |scores: &[f32]| ReportPage::new("s", &scan, &labels, &table).with_quality(scores);
    // Exactly the threshold is good enough, also through f32.
    let good = page(&[0.9, 0.65, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7]);
    assert_eq!((QC_THRESHOLD, good.lowest_quality().unwrap().score), (0.65, 0.65));
    assert_eq!(good.summary().unwrap().status, ReportStatus::Ok);
    let flagged = page(&[0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.6499]);
    let summary = flagged.summary().unwrap();
    assert_eq!(summary.status, ReportStatus::Flagged);
    assert_eq!(summary.lowest_quality, Some(("hippocampus+amygdala".to_owned(), Some(0.6499))));
    let html = flagged.render().unwrap();
    assert!(row_with(&html, "hippocampus+amygdala").contains("below 0.65"));
    assert!(row_with(&html, "brainstem").contains(">ok<"));
    assert_balanced(&html);
    assert_eq!(flagged.with_quality_threshold(0.5).summary().unwrap().status, ReportStatus::Ok);
    let no_number = page(&[0.9, f32::NAN]);
    assert_eq!(no_number.summary().unwrap().status, ReportStatus::Flagged);
    assert_eq!(no_number.summary().unwrap().lowest_quality, Some(("general grey matter".to_owned(), None)));
    assert_balanced(&no_number.render().unwrap());
}

#[test]
fn synthseg_volumes_bring_total_and_tissues() {
    let (scan, labels) = scan_and_labels();
    let structures = Structures::v2();
    let table = structures.label_table(true);
    let mut page = ReportPage::new("s", &scan, &labels, &table);
    page.volumes = structures.channels().iter().map(|s| ReportVolume { label: s.label, mm3: 1e4 }).collect();
    page.total_mm3 = Some(1_600_000.0);
    page.tissues = Some(Tissues { grey: 800_000.0, white: 400_000.0, csf: 300_000.0, brain: 1_300_000.0 });
    let html = page.render().unwrap();
    assert!(row_with(&html, "grey matter</td>").contains(">800.00</td><td class=\"n\">50.0</td>"));
    assert_eq!(html.matches("<span class=\"sided\">").count(), 14);
    let summary = ReportSummary::of_page(&html).unwrap();
    let names: Vec<&str> = summary.volumes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["intracranial", "brain", "grey matter", "white matter", "CSF", "hippocampus", "lateral ventricle"]
    );
    assert_eq!(summary.volumes[5].1, 2e4);
}

/// Mean column of the reddish and of the bluish pixels of a page's picture, as fractions of its width.
fn mean_columns(html: &str, picture: usize) -> [f64; 2] {
    let data = html.split("<img src=\"data:image/png;base64,").nth(1 + picture).unwrap();
    let png = STANDARD.decode(&data[..data.find('"').unwrap()]).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let width = reader.next_frame(&mut rgb).unwrap().width as usize;
    let mut sums = [[0.0f64; 2]; 2];
    for (at, pixel) in rgb.chunks_exact(3).enumerate() {
        let [r, _, b] = [0, 1, 2].map(|c| i32::from(pixel[c]));
        if (r - b).abs() > 60 {
            let side = &mut sums[usize::from(b > r)];
            (side[0], side[1]) = (side[0] + (at % width) as f64, side[1] + 1.0);
        }
    }
    sums.map(|[sum, count]| sum / count / width as f64)
}

#[test]
fn left_is_where_the_letters_say() {
    let (scan, labels) = scan_and_labels();
    let left_red = Label::new(17, "left", [250, 10, 10]);
    let table = LabelTable::new([left_red, Label::new(53, "right", [10, 10, 250])]);
    let page = ReportPage::new("s", &scan, &labels, &table);
    let options = MontageOptions::new().with_slices(2).with_pixel_mm(2.0);
    let neurological = page.clone().with_slices(options.clone()).render().unwrap();
    let radiological = page.with_slices(options.with_view(View::Radiological)).render().unwrap();
    for (html, axial, red_is_left) in [
        (&neurological, "<b>L</b><b>R</b><b>A</b><b>P</b>", true),
        (&radiological, "<b>R</b><b>L</b><b>A</b><b>P</b>", false),
    ] {
        assert_eq!(html.matches(axial).count(), 2);
        assert_eq!(html.matches("<b>P</b><b>A</b><b>S</b><b>I</b>").count(), 2);
        assert_eq!(html.matches("<figure>").count(), 6);
        // Axial and coronal; sagittal slices have one side only.
        for picture in 0..4 {
            let [red, blue] = mean_columns(html, picture);
            assert!((red - blue).abs() > 0.1 && (red < blue) == red_is_left, "{picture}: {red} {blue}");
        }
    }
    assert!(neurological.contains("the left of an axial or coronal picture is the left"));
    assert!(radiological.contains("the left of an axial or coronal picture is the right"));
}

#[test]
fn a_summary_comes_back_from_its_page() {
    let (scan, labels) = scan_and_labels();
    let table = table();
    let page = ReportPage::new("a \"b\" <c> &amp; \u{e4}\n", &scan, &labels, &table)
        .with_label_volumes(&volumes())
        .with_quality(&[0.1, 0.9]);
    let summary = page.summary().unwrap();
    assert_eq!(ReportSummary::of_page(&page.render().unwrap()), Some(summary.clone()));
    assert!(summary.thumbnail.as_ref().unwrap().starts_with("data:image/png;base64,"));
    assert_eq!(summary.volumes[0].0, "all structures");
    assert_eq!(ReportSummary::of_page("<html>no report</html>"), None);
    assert_eq!(ReportSummary::of_page("<meta name=\"volkit-report\" content=\"{broken"), None);
    assert_eq!(ReportSummary::of_page("<meta name=\"volkit-report\" content=\"{}\">"), None);
}

#[test]
fn an_index_lists_every_scan_once() {
    let (scan, labels) = scan_and_labels();
    let table = table();
    let page = ReportPage::new("good", &scan, &labels, &table).with_label_volumes(&volumes());
    let flagged = ReportPage::new("doubtful", &scan, &labels, &table).with_quality(&[0.2]);
    let mut index = ReportIndex::new("study <7>").with_note("synthseg 0.1.0");
    index.push(page.summary().unwrap(), Some("my pages/good #1.html".into()));
    index.push(flagged.summary().unwrap(), Some("doubtful.html".into()));
    index.push(ReportSummary::failed("bad", "bad.nii: dim = [0, <1>]"), None);
    let html = index.render();
    assert_balanced(&html);
    assert!(html.contains("study &lt;7&gt;") && html.contains("3 scans: "));
    for count in ["1 ok", "1 flagged", "1 failed"] {
        assert!(html.contains(count), "{count}");
    }
    assert_eq!(html.matches("href=\"my%20pages/good%20%231.html\"").count(), 2);
    let good = row_with(&html, ">good</a>");
    assert!(good.contains("title=\"8000.000 mm\u{b3}\">8.0</td>"), "{good}");
    let bad = row_with(&html, "bad.nii");
    assert!(bad.contains("bad.nii: dim = [0, &lt;1&gt;]") && !bad.contains("<a "), "{bad}");
    assert!(row_with(&html, ">doubtful</a>").contains("0.20<br>"));
    let empty = ReportIndex::new("none").render();
    assert_balanced(&empty);
    assert!(empty.contains("0 scans</p>"));
}

#[test]
fn odd_input_gives_a_page_or_a_reason() {
    let one = Volume::new([1, 1, 1], vec![f32::NAN], Affine::IDENTITY).unwrap();
    let one_label = Volume::new([1, 1, 1], vec![9u8], Affine::IDENTITY).unwrap();
    let table = LabelTable::default();
    let nan = [LabelVolume { id: 9, voxels: 1, mm3: f64::NAN }, LabelVolume { id: 10, voxels: 0, mm3: 0.0 }];
    let page = ReportPage::new("", &one, &one_label, &table).with_label_volumes(&nan);
    let html = page.clone().with_facts(RunFacts::default().with_stage("x", f64::NAN)).render().unwrap();
    assert_balanced(&html);
    assert!(!html.contains("NaN") && ReportSummary::of_page(&html).is_some());
    let (scan, _) = scan_and_labels();
    let error = ReportPage::new("s", &scan, &one_label, &table).render().unwrap_err().to_string();
    assert_eq!(error, "option labels = shape [1, 1, 1]: a picture needs labels on the scan's grid");
    let many = page.with_slices(MontageOptions::new().with_slices(21));
    assert!(many.render().unwrap_err().to_string().starts_with("option slices = 21"));
}
