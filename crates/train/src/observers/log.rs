//! A line for each event.

use std::io::Write;
use std::ops::ControlFlow;

use serde::Serialize;
use volkit_core::BoxError;

use crate::{Event, Observer};

/// Writes one JSON object a line for each event, with `event` = `begin`, `step`, `epoch`, `note` or `end` and the fields of
/// the record. Numbers that are not finite are `null`.
///
/// A run that was interrupted and goes on repeats the steps since its last checkpoint: of lines with one number of a step,
/// the last counts.
#[derive(Debug)]
pub struct JsonLines<W: Write> {
    out: W,
}

/// A line: the record's fields beside the name of the event.
#[derive(Serialize)]
struct Line<'a, R> {
    event: &'a str,
    #[serde(flatten)]
    record: R,
}

#[derive(Serialize)]
struct Note<'a> {
    text: &'a str,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, flushed after each line.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn line<R: Serialize>(&mut self, event: &str, record: R) -> Result<(), BoxError> {
        serde_json::to_writer(&mut self.out, &Line { event, record })?;
        self.out.write_all(b"\n")?;
        Ok(self.out.flush()?)
    }
}

impl<W: Write> Observer for JsonLines<W> {
    fn observe(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, BoxError> {
        match *event {
            Event::Begin(facts) => self.line("begin", facts),
            Event::Step(record) => self.line("step", record),
            Event::Epoch(record) => self.line("epoch", record),
            Event::Note(text) => self.line("note", Note { text }),
            Event::End(report) => self.line("end", report),
        }?;
        Ok(ControlFlow::Continue(()))
    }
}
