//! Ctrl-C leaves no partial output.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use volkit_core::{Array, MemoryStore};
use volkit_io::write_safetensors;

use crate::bench::Bench;

/// A network that takes some seconds.
fn slow_weights() -> MemoryStore {
    let channels = 24;
    let mut weights = MemoryStore::new();
    let mut layers = Vec::new();
    for (n, (c_in, c_out)) in
        [(1, channels), (channels, channels), (channels, channels), (channels, 2)].iter().enumerate()
    {
        let len = c_out * c_in * 27;
        weights.insert(format!("layers.{n}.weight"), Array::new([*c_out, *c_in, 3, 3, 3], vec![0.01f32; len]).unwrap());
        weights.insert(format!("layers.{n}.bias"), Array::new([*c_out], vec![0.0f32; *c_out]).unwrap());
        layers.push(format!(r#"{{"kernel":3,"dilation":1,"padding":1,"in":{c_in},"out":{c_out}}}"#));
    }
    weights.set_metadata("config", format!(r#"{{"activation":"relu","layers":[{}]}}"#, layers.join(",")));
    weights
}

#[test]
fn an_interrupt_ends_the_run_with_nothing_left() {
    let bench = Bench::new();
    write_safetensors(bench.path("slow.safetensors"), &slow_weights()).unwrap();
    bench.scan("scan.nii");
    let before = bench.listing();
    let mut child = bench
        .command("--i scan.nii --model slow.safetensors --o out/labels.nii.gz --vol out/v.csv --threads 1")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while line.trim() != "network" {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the network never began");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(rest.contains("stopped on request"), "{rest}");
    assert_eq!(bench.listing(), before);
}
