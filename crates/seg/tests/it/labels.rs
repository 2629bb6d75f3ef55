//! Label tables in their four forms.

use volkit_seg::{Label, LabelTable, TableFormat, subcortical};

const FORMATS: [TableFormat; 4] =
    [TableFormat::FreeSurfer, TableFormat::ItkSnap, TableFormat::Bids, TableFormat::Viewer];

#[test]
fn every_form_reads_what_it_wrote_and_is_recognised() {
    for table in [subcortical(), LabelTable::neutral(60)] {
        for format in FORMATS {
            let text = table.write(format);
            assert_eq!(TableFormat::detect(&text), format, "{text}");
            let read = LabelTable::parse(&text).unwrap();
            let ids = |table: &LabelTable| table.iter().map(|label| (label.id, label.colour)).collect::<Vec<_>>();
            assert_eq!(ids(&read), ids(&table), "{format:?}");
            for label in table.iter() {
                // FreeSurfer's form has no blanks in names.
                let name = read.name(label.id).replace('-', " ");
                assert_eq!(name, label.name.replace('-', " "), "{format:?}");
            }
        }
    }
}

#[test]
fn a_freesurfer_table_with_comments_and_blanks_in_a_name() {
    let text = "#$Id\n\n  4   Left-Lateral-Ventricle   120 18 134 0  # comment\n1035 ctx lh insula 255 192 32 128\n";
    let table = LabelTable::parse(text).unwrap();
    assert_eq!(table.get(4), Some(&Label::new(4, "Left-Lateral-Ventricle", [120, 18, 134])));
    assert_eq!(table.get(1035).map(|label| (label.name.as_str(), label.opacity)), Some(("ctx lh insula", 127)));
    assert_eq!((table.len(), table.name(5), table.colour(5)), (2, "label 5".to_owned(), [128, 128, 128]));
}

#[test]
fn an_itksnap_table() {
    let text = "# ITK-SNAP\n    0     0    0    0        0  0  0    \"Clear Label\"\n    7  10 20 30  0.5 1 1 \"Left; part\"\n";
    let table = LabelTable::parse(text).unwrap();
    assert_eq!(table.name(7), "Left; part");
    assert_eq!(table.get(7).map(|label| (label.colour, label.opacity)), Some(([10, 20, 30], 128)));
    assert_eq!(table.get(0).map(|label| label.opacity), Some(0));
}

#[test]
fn a_bids_table_with_more_columns() {
    let text =
        "index\tname\tabbreviation\tcolor\tmapping\n1\tGrey Matter\tGM\t#ff5300\t1\n2\tWhite Matter\tWM\tn/a\t2\n";
    let table = LabelTable::parse(text).unwrap();
    assert_eq!((table.name(1), table.colour(1)), ("Grey Matter".to_owned(), [0xff, 0x53, 0]));
    assert_eq!(table.name(2), "White Matter");
    assert_ne!(table.colour(2), table.colour(1));
}

#[test]
fn a_viewer_table_may_lack_values_and_colours() {
    let table = LabelTable::parse(r#"{"labels":["air","bone"]}"#).unwrap();
    assert_eq!((table.name(0), table.name(1)), ("air".to_owned(), "bone".to_owned()));
    let sparse = LabelTable::parse(r#"{"R":[1],"G":[2],"B":[3],"A":[9],"I":[42],"labels":["x"]}"#).unwrap();
    assert_eq!(sparse.get(42).map(|label| (label.colour, label.opacity)), Some(([1, 2, 3], 9)));
}

#[test]
fn mistakes_name_line_field_and_value() {
    for (text, message) in [
        ("4 Name 300 0 0 0\n", "line 1: R = '300': not a number in range"),
        ("4 Name 30 0 0\n", "line 1: cells = 5: expected id name R G B A"),
        ("# c\n-4 Name 30 0 0 0\n", "line 2: id = '-4': not a number in range"),
        ("4 A 1 1 1 0\n4 B 1 1 1 0\n", "line 2: id = 4: occurs twice"),
        ("", "line 1: labels = none: a table has entries"),
        ("1 2 3 4 1 1 1 \"a\"\n2 2 3\n", "line 2: name = nothing: expected a quoted name"),
        ("index\tcolor\n1\t#000000\n", "line 1: header = 'index\tcolor': lacks the column name"),
        ("index\tname\tcolor\n1\ta\tred\n", "line 2: color = 'red': expected #RRGGBB"),
        ("{\"labels\":[\"a\",\"b\"],\"I\":[1]}", "line 1: I = 1 entries: labels has another count"),
    ] {
        let error = LabelTable::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("label table: {message}"));
    }
    assert!(LabelTable::parse("{\"labels\":7}").unwrap_err().to_string().contains("expected arrays R, G, B, A, I"));
}

#[test]
fn a_table_is_completed_with_neutral_names() {
    let table = LabelTable::new([Label::new(2, "Two", [1, 2, 3]), Label::new(9, "Nine", [4, 5, 6])]).completed(4);
    let names: Vec<_> = table.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["background", "label 1", "Two", "label 3"]);
}

#[test]
fn published_names() {
    let table = subcortical();
    assert_eq!(table.len(), 18);
    assert_eq!(
        (table.name(0), table.name(7), table.name(17)),
        ("Unknown".into(), "Thalamus".into(), "VentralDC".into())
    );
}

#[test]
fn a_table_is_laid_over_another() {
    let own = LabelTable::parse("2 White 1 2 3 0\n9 Nowhere 1 1 1 0\n").unwrap();
    let network = LabelTable::parse("0 background 0 0 0 0\n2 left white 9 9 9 0\n1001 parcel 8 8 8 0\n").unwrap();
    let laid = own.over(&network);
    assert_eq!([laid.name(0), laid.name(2), laid.name(1001)], ["background", "White", "parcel"]);
    assert_eq!((laid.len(), laid.get(9)), (3, None));
}
