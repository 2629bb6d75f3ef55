//! The part of the pickle format in which `torch.save` writes state dicts: values are built, nothing is ever called.
//!
//! Opcodes and their arguments are those of Python's `pickletools`, protocols 2 to 5. The names of functions are compared
//! with the few that PyTorch uses for tensors; any other name, and any opcode that state dicts do not need, is an error.

use volkit_core::DType;

/// Most axes of a tensor.
const MAX_DIMENSIONS: usize = 16;

/// Number of a value among [`Pickle::values`].
pub(super) type Id = usize;

/// Functions and classes that a state dict names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`.
    Tensor,
    /// `torch._utils._rebuild_parameter`.
    Parameter,
    Storage(DType),
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorRecord {
    pub(super) storage: StorageRecord,
    /// In elements.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// In elements.
    pub(super) strides: Vec<usize>,
}

/// The content of one file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StorageRecord {
    pub(super) key: String,
    pub(super) dtype: DType,
    /// In elements.
    pub(super) len: usize,
}

/// What a pickle holds. Parts are numbers of values, so that a value that is named a thousand times is stored once.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// None, a truth value, a float: nothing that names or shapes a tensor.
    Other,
    Int(i64),
    Text(String),
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Storage(StorageRecord),
    Tensor(Box<TensorRecord>),
}

/// The values of a pickle, and which of them is the result.
pub(super) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) top: Id,
}

/// Reads a pickle; an error says what is wrong and at which byte.
pub(super) fn parse(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine =
        Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    loop {
        let at = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(top)) => return Ok(Pickle { values: machine.values, top }),
            Err(why) => return Err(format!("pickle, byte {at}: {why}")),
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

impl<'a> Machine<'a> {
    /// Runs one opcode; gives the result at the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        let opcode = self.take(1)?[0];
        match opcode {
            // PROTO, FRAME: nothing that matters here.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            b'J' | b'K' | b'M' | 0x8a => {
                let value = self.int(opcode)?;
                self.push(Value::Int(value));
            }
            b'X' | 0x8c | 0x8d | b'U' | b'T' => {
                let text = self.text(opcode)?;
                self.push(Value::Text(text));
            }
            b']' | b')' => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' | b'l' => {
                let parts = self.pop_mark()?;
                self.push(Value::Sequence(parts));
            }
            0x85..=0x87 => {
                let n = usize::from(opcode - 0x84);
                let parts = self.pop_many(n)?;
                self.push(Value::Sequence(parts));
            }
            b'a' | b'e' => self.append(opcode)?,
            b's' | b'u' => self.set_items(opcode)?,
            b'd' => {
                let parts = self.pop_mark()?;
                let pairs = pairs(&parts)?;
                self.push(Value::Dict(pairs));
            }
            b'c' | 0x93 => self.name(opcode)?,
            b'R' => self.reduce()?,
            // BUILD: attributes of a dict (`_metadata`), which hold versions of layers.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            b'Q' => self.storage()?,
            b'q' | b'r' | 0x94 => self.remember(opcode)?,
            b'h' | b'j' => self.recall(opcode)?,
            other => return Err(format!("opcode 0x{other:02x}, which state dicts do not need")),
        }
        Ok(None)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else { return Err("it ends too early".to_owned()) };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of up to eight bytes.
    fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn len(&mut self, n: usize) -> Result<usize, String> {
        usize::try_from(self.number(n)?).map_err(|_| "a length beyond all memory".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or("a line without its end")?;
        self.at += end + 1;
        utf8(&rest[..end])
    }

    fn int(&mut self, opcode: u8) -> Result<i64, String> {
        Ok(match opcode {
            b'J' => i64::from(self.number(4)? as u32 as i32),
            b'K' => self.number(1)? as i64,
            b'M' => self.number(2)? as i64,
            _ => {
                let n = self.len(1)?;
                if n > 8 {
                    return Err(format!("a number of {n} bytes"));
                }
                // The sign is that of the highest byte.
                let shift = 64 - 8 * n as u32;
                if n == 0 { 0 } else { (self.number(n)? << shift) as i64 >> shift }
            }
        })
    }

    fn text(&mut self, opcode: u8) -> Result<String, String> {
        let n = match opcode {
            b'X' | b'T' => self.len(4)?,
            0x8d => self.len(8)?,
            _ => self.len(1)?,
        };
        utf8(self.take(n)?)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn top(&self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.last().copied().filter(|_| self.stack.len() > floor).ok_or_else(|| "the stack is empty".to_owned())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, n: usize) -> Result<Vec<Id>, String> {
        let mut parts = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        parts.reverse();
        Ok(parts)
    }

    /// All above the last mark, and the mark.
    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("no mark on the stack")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn append(&mut self, opcode: u8) -> Result<(), String> {
        let new = if opcode == b'a' { vec![self.pop()?] } else { self.pop_mark()? };
        let list = self.top()?;
        match &mut self.values[list] {
            Value::Sequence(parts) => parts.extend(new),
            other => return Err(format!("appending to {}", kind(other))),
        }
        Ok(())
    }

    fn set_items(&mut self, opcode: u8) -> Result<(), String> {
        let new = if opcode == b's' { self.pop_many(2)? } else { self.pop_mark()? };
        let new = pairs(&new)?;
        let dict = self.top()?;
        match &mut self.values[dict] {
            Value::Dict(entries) => entries.extend(new),
            other => return Err(format!("setting items of {}", kind(other))),
        }
        Ok(())
    }

    fn name(&mut self, opcode: u8) -> Result<(), String> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let parts = self.pop_many(2)?;
            match (&self.values[parts[0]], &self.values[parts[1]]) {
                (Value::Text(module), Value::Text(name)) => (module.clone(), name.clone()),
                _ => return Err("a name that is no text".to_owned()),
            }
        };
        let name = match (module.as_str(), name.as_str()) {
            ("collections", "OrderedDict") => Name::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Name::Tensor,
            ("torch._utils", "_rebuild_parameter") => Name::Parameter,
            ("torch", storage) => match storage_dtype(storage) {
                Some(dtype) => Name::Storage(dtype),
                None => return Err(format!("'torch.{storage}' is no storage that is read")),
            },
            _ => {
                let why =
                    "only tensors, numbers, texts, lists and dicts are read (save `model.state_dict()`, not the model)";
                return Err(format!("it wants '{module}.{name}': {why}"));
            }
        };
        self.push(Value::Name(name));
        Ok(())
    }

    /// The result of a call, for the few calls that are known.
    fn reduce(&mut self) -> Result<(), String> {
        let parts = self.pop_many(2)?;
        let Value::Sequence(arguments) = &self.values[parts[1]] else {
            return Err("arguments that are no tuple".to_owned());
        };
        let result = match (&self.values[parts[0]], arguments.as_slice()) {
            (Value::Name(Name::OrderedDict), []) => Value::Dict(Vec::new()),
            (Value::Name(Name::Tensor), [storage, offset, shape, strides, ..]) => {
                let Value::Storage(storage) = &self.values[*storage] else {
                    return Err("a tensor without a storage".to_owned());
                };
                let (shape, strides) = (self.sizes(*shape)?, self.sizes(*strides)?);
                if shape.len() != strides.len() {
                    return Err(format!("a tensor of shape {shape:?} with strides {strides:?}"));
                }
                let (storage, offset) = (storage.clone(), self.size(*offset)?);
                Value::Tensor(Box::new(TensorRecord { storage, offset, shape, strides }))
            }
            (Value::Name(Name::Parameter), [tensor, ..]) => {
                self.stack.push(*tensor);
                return Ok(());
            }
            (what, arguments) => return Err(format!("a call of {} with {} arguments", kind(what), arguments.len())),
        };
        self.push(result);
        Ok(())
    }

    /// `('storage', class, key, device, length)`.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let Value::Sequence(parts) = &self.values[id] else { return Err("a reference that is no tuple".to_owned()) };
        let &[label, class, key, _device, len] = parts.as_slice() else {
            return Err(format!("a reference of {} parts", parts.len()));
        };
        let storage = match (&self.values[label], &self.values[class], &self.values[key]) {
            (Value::Text(label), Value::Name(Name::Storage(dtype)), Value::Text(key)) if label == "storage" => {
                StorageRecord { key: key.clone(), dtype: *dtype, len: self.size(len)? }
            }
            _ => return Err("a reference to something else than a storage".to_owned()),
        };
        self.push(Value::Storage(storage));
        Ok(())
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, String> {
        match &self.values[id] {
            Value::Sequence(parts) if parts.len() <= MAX_DIMENSIONS => {
                parts.iter().map(|&part| self.size(part)).collect()
            }
            other => Err(format!("{} where sizes are expected", kind(other))),
        }
    }

    fn size(&self, id: Id) -> Result<usize, String> {
        match &self.values[id] {
            Value::Int(n) if *n >= 0 => usize::try_from(*n).map_err(|_| format!("the size {n}")),
            Value::Int(n) => Err(format!("the size {n}")),
            other => Err(format!("{} where a size is expected", kind(other))),
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<(), String> {
        let slot = match opcode {
            b'q' => self.len(1)?,
            b'r' => self.len(4)?,
            _ => self.memo.len(),
        };
        // A slot takes at least two bytes of the pickle to fill.
        if slot > self.bytes.len() {
            return Err(format!("the memo has no slot {slot}"));
        }
        let top = self.top()?;
        if self.memo.len() <= slot {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(top);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), String> {
        let slot = self.len(if opcode == b'h' { 1 } else { 4 })?;
        let id = self.memo.get(slot).copied().flatten().ok_or_else(|| format!("the memo has no slot {slot}"))?;
        self.stack.push(id);
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a text that is not UTF-8".to_owned())
}

fn pairs(parts: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = parts.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    } else {
        Err("a key without a value".to_owned())
    }
}

fn storage_dtype(name: &str) -> Option<DType> {
    Some(match name {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "LongStorage" => DType::I64,
        "IntStorage" => DType::I32,
        "ShortStorage" => DType::I16,
        "CharStorage" => DType::I8,
        "ByteStorage" | "BoolStorage" => DType::U8,
        _ => return None,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Other => "a value without parts",
        Value::Int(_) => "a number",
        Value::Text(_) => "a text",
        Value::Sequence(_) => "a sequence",
        Value::Dict(_) => "a dict",
        Value::Name(_) => "a name",
        Value::Storage(_) => "a storage",
        Value::Tensor(_) => "a tensor",
    }
}
