//! A pickle machine for the objects of a TorchScript archive.
//!
//! It calls nothing: classes and functions are names, of which it knows those that
//! TorchScript writes and refuses the others. Values lie in one list and refer to each
//! other by number, so that no pickle makes it copy, recurse or take more memory than a
//! multiple of its bytes.

use std::collections::HashMap;

use super::super::ElementType;
use super::TorchScriptError;

/// Most values of a pickle.
const MAX_VALUES: usize = 1 << 20;

/// Longest line with the name of a module or class.
const MAX_NAME: usize = 4096;

/// Most sizes of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// The number of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Something without an influence on the weights: `None`, a float.
    Other,
    Int(i64),
    Text(String),
    Class(Class),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// A dictionary; keys in the order in which they were set.
    Dict(Vec<(Id, Id)>),
    /// An object: its attributes, where it has any.
    Object(Option<Id>),
    Storage(Storage),
    Tensor(View),
}

/// A class or function that is known by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `__torch__.…`: a module of the archive itself.
    Module,
    OrderedDict,
    RebuildTensor,
    /// Gives back its first argument: `_rebuild_parameter`, `build_intlist`, …
    FirstArgument,
    Storage(ElementType),
}

/// Elements that lie in a file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// Name of the file.
    pub(super) key: String,
    pub(super) element: ElementType,
    /// Number of elements.
    pub(super) len: usize,
}

/// Some elements of a storage as a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) storage: Storage,
    /// Element of the storage that is the first one.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements of the storage from one to the next, for each size.
    pub(super) strides: Vec<usize>,
    /// Elements of the storage from the first to the last, both included.
    pub(super) window: usize,
}

/// A pickle's values.
pub(super) struct Pickle {
    values: Vec<Value>,
    pub(super) root: Id,
}

impl Pickle {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    /// Parses all of `bytes`.
    ///
    /// # Errors
    /// Where it is malformed, or does what the machine does not do.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TorchScriptError> {
        let mut machine = Machine {
            rest: bytes,
            length: bytes.len(),
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine.run()?;
        Ok(Self {
            values: machine.values,
            root,
        })
    }
}

struct Machine<'a> {
    /// Bytes that are not read yet.
    rest: &'a [u8],
    length: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at which a mark stands.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, TorchScriptError> {
        loop {
            let [code] = self.take()?;
            match code {
                // PROTO
                0x80 => {
                    let [version] = self.take()?;
                    if !(2..=4).contains(&version) {
                        return Err(self.malformed(&format!("the protocol is {version}")));
                    }
                }
                // GLOBAL
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    let class = class(&module, &name)?;
                    self.push(Value::Class(class))?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b']' => self.push(Value::List(Vec::new()))?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                b'(' => self.marks.push(self.stack.len()),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                // TUPLE1, TUPLE2, TUPLE3
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let items = self.pop_last(count)?;
                    self.push(Value::Tuple(items))?;
                }
                // BINPUT, LONG_BINPUT
                b'q' | b'r' => {
                    let index = self.memo_index(code == b'r')?;
                    let top = self.top()?;
                    self.memo.insert(index, top);
                }
                // BINGET, LONG_BINGET
                b'h' | b'j' => {
                    let index = self.memo_index(code == b'j')?;
                    let Some(&id) = self.memo.get(&index) else {
                        return Err(self.malformed(&format!("nothing is kept as {index}")));
                    };
                    self.stack.push(id);
                }
                // BINUNICODE
                b'X' => {
                    let length = u32::from_le_bytes(self.take()?) as usize;
                    let bytes = self.take_slice(length)?;
                    let text = str::from_utf8(bytes).map(str::to_owned);
                    let text = text.map_err(|_| self.malformed("a text is not UTF-8"))?;
                    self.push(Value::Text(text))?;
                }
                // BININT, BININT1, BININT2
                b'J' => {
                    let value = i32::from_le_bytes(self.take()?);
                    self.push(Value::Int(i64::from(value)))?;
                }
                b'K' => {
                    let [value] = self.take()?;
                    self.push(Value::Int(i64::from(value)))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.take()?);
                    self.push(Value::Int(i64::from(value)))?;
                }
                // LONG1
                0x8a => {
                    let [length] = self.take()?;
                    let bytes = self.take_slice(usize::from(length))?;
                    let value =
                        long(bytes).ok_or_else(|| self.malformed("a number is too long"))?;
                    self.push(Value::Int(value))?;
                }
                // BINFLOAT
                b'G' => {
                    let _: [u8; 8] = self.take()?;
                    self.push(Value::Other)?;
                }
                // NONE, NEWTRUE, NEWFALSE
                b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
                // BINPERSID
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Value::Storage(storage))?;
                }
                // REDUCE
                b'R' => {
                    let arguments = self.pop()?;
                    let callable = self.pop()?;
                    self.reduce(callable, arguments)?;
                }
                // NEWOBJ
                0x81 => {
                    let _arguments = self.pop()?;
                    let class = self.pop()?;
                    match self.value(class) {
                        Value::Class(Class::Module) => self.push(Value::Object(None))?,
                        _ => return Err(self.malformed("an object of no module is made")),
                    }
                }
                // BUILD
                b'b' => {
                    let state = self.pop()?;
                    let object = self.top()?;
                    // A dictionary's `_metadata` has no influence on its items.
                    if let Value::Object(attributes) = self.value_mut(object) {
                        *attributes = Some(state);
                    } else if !matches!(self.value(object), Value::Dict(_)) {
                        return Err(self.malformed("something without attributes gets some"));
                    }
                }
                // APPEND, APPENDS
                b'a' | b'e' => {
                    let items = match code {
                        b'a' => self.pop_last(1)?,
                        _ => self.pop_to_mark()?,
                    };
                    let list = self.top()?;
                    match self.value_mut(list) {
                        Value::List(list) => list.extend(items),
                        _ => return Err(self.malformed("something is appended to no list")),
                    }
                }
                // SETITEM, SETITEMS
                b's' | b'u' => {
                    let items = match code {
                        b's' => self.pop_last(2)?,
                        _ => self.pop_to_mark()?,
                    };
                    let (pairs, odd) = items.as_chunks::<2>();
                    let dict = self.top()?;
                    match self.value_mut(dict) {
                        Value::Dict(dict) if odd.is_empty() => {
                            dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                        }
                        _ => return Err(self.malformed("items are set in no dictionary")),
                    }
                }
                // STOP
                b'.' => return self.pop(),
                _ => {
                    return Err(TorchScriptError::Opcode {
                        code,
                        position: self.length - self.rest.len() - 1,
                    });
                }
            }
        }
    }

    /// The result of calling `callable`, if it is one of those that are known.
    fn reduce(&mut self, callable: Id, arguments: Id) -> Result<(), TorchScriptError> {
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(self.malformed("something is called without arguments"));
        };
        let first = arguments.first().copied();
        match (self.value(callable), first) {
            (Value::Class(Class::OrderedDict), None) => self.push(Value::Dict(Vec::new())),
            (Value::Class(Class::FirstArgument), Some(first)) => {
                self.stack.push(first);
                Ok(())
            }
            (Value::Class(Class::RebuildTensor), Some(_)) => {
                let view = self.view(&arguments.clone())?;
                self.push(Value::Tensor(view))
            }
            _ => Err(self.malformed("something is called that cannot be, or not so")),
        }
    }

    /// The storage named by `("storage", class, key, device, number of elements)`.
    fn storage(&self, id: Id) -> Result<Storage, TorchScriptError> {
        if let Value::Tuple(parts) = self.value(id)
            && let &[kind, class, key, _device, len] = parts.as_slice()
            && self.value(kind) == &Value::Text("storage".to_owned())
            && let &Value::Class(Class::Storage(element)) = self.value(class)
            && let Value::Text(key) = self.value(key)
            && let Some(len) = self.size(len)
        {
            return Ok(Storage {
                key: key.clone(),
                element,
                len,
            });
        }
        Err(self.malformed("a reference is to no storage"))
    }

    /// The tensor made by `_rebuild_tensor_v2(storage, offset, sizes, strides, …)`.
    fn view(&self, arguments: &[Id]) -> Result<View, TorchScriptError> {
        if let &[storage, offset, shape, strides, ..] = arguments
            && let Value::Storage(storage) = self.value(storage)
            && let Some(offset) = self.size(offset)
            && let Some(shape) = self.sizes(shape)
            && let Some(strides) = self.sizes(strides)
            && shape.len() == strides.len()
        {
            let window = window(&shape, &strides);
            let fits = |window: usize| {
                let end = offset.checked_add(window);
                end.is_some_and(|end| end <= storage.len)
            };
            let Some(window) = window.filter(|&window| fits(window)) else {
                return Err(TorchScriptError::OutOfStorage {
                    key: storage.key.clone(),
                    shape,
                });
            };
            return Ok(View {
                storage: storage.clone(),
                offset,
                shape,
                strides,
                window,
            });
        }
        Err(self.malformed("a tensor is described wrongly"))
    }

    fn size(&self, id: Id) -> Option<usize> {
        match *self.value(id) {
            Value::Int(value) => usize::try_from(value).ok(),
            _ => None,
        }
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        match self.value(id) {
            Value::Tuple(sizes) if sizes.len() <= MAX_DIMENSIONS => {
                sizes.iter().map(|&size| self.size(size)).collect()
            }
            _ => None,
        }
    }

    fn value(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    fn value_mut(&mut self, id: Id) -> &mut Value {
        &mut self.values[id.0 as usize]
    }

    fn push(&mut self, value: Value) -> Result<(), TorchScriptError> {
        if self.values.len() == MAX_VALUES {
            return Err(TorchScriptError::TooManyValues { limit: MAX_VALUES });
        }
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    fn top(&self) -> Result<Id, TorchScriptError> {
        // What stands below a mark is out of reach until the mark is gone.
        let reach = self.stack.get(self.marks.last().copied().unwrap_or(0)..);
        let top = reach.and_then(<[Id]>::last);
        top.copied()
            .ok_or_else(|| self.malformed("a value is missing"))
    }

    fn pop(&mut self) -> Result<Id, TorchScriptError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_last(&mut self, count: usize) -> Result<Vec<Id>, TorchScriptError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => Err(self.malformed("a value is missing")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, TorchScriptError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.malformed("a mark is missing")),
        }
    }

    fn memo_index(&mut self, is_long: bool) -> Result<u32, TorchScriptError> {
        Ok(if is_long {
            u32::from_le_bytes(self.take()?)
        } else {
            let [index] = self.take()?;
            u32::from(index)
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], TorchScriptError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.malformed("it ends too early"));
        };
        self.rest = rest;
        Ok(*bytes)
    }

    fn take_slice(&mut self, length: usize) -> Result<&[u8], TorchScriptError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.malformed("it ends too early"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// The text up to the next newline.
    fn line(&mut self) -> Result<String, TorchScriptError> {
        let reach = &self.rest[..self.rest.len().min(MAX_NAME)];
        let Some(length) = reach.iter().position(|&byte| byte == b'\n') else {
            return Err(self.malformed("a name does not end"));
        };
        let text = str::from_utf8(&self.rest[..length]).map(str::to_owned);
        let text = text.map_err(|_| self.malformed("a name is not UTF-8"))?;
        self.rest = &self.rest[length + 1..];
        Ok(text)
    }

    fn malformed(&self, reason: &str) -> TorchScriptError {
        TorchScriptError::Malformed {
            reason: reason.to_owned(),
            position: self.length - self.rest.len(),
        }
    }
}

/// The class or function of that name, where TorchScript's files of weights need it.
fn class(module: &str, name: &str) -> Result<Class, TorchScriptError> {
    let element = |element| Ok(Class::Storage(element));
    match (module, name) {
        (module, _) if module == "__torch__" || module.starts_with("__torch__.") => {
            Ok(Class::Module)
        }
        ("collections", "OrderedDict") => Ok(Class::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Class::RebuildTensor),
        ("torch._utils", "_rebuild_parameter")
        | (
            "torch.jit._pickle",
            "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist"
            | "restore_type_tag",
        ) => Ok(Class::FirstArgument),
        ("torch", "DoubleStorage") => element(ElementType::F64),
        ("torch", "FloatStorage") => element(ElementType::F32),
        ("torch", "HalfStorage") => element(ElementType::F16),
        ("torch", "BFloat16Storage") => element(ElementType::Bf16),
        ("torch", "LongStorage") => element(ElementType::I64),
        ("torch", "IntStorage") => element(ElementType::I32),
        ("torch", "ShortStorage") => element(ElementType::I16),
        ("torch", "CharStorage") => element(ElementType::I8),
        ("torch", "ByteStorage") => element(ElementType::U8),
        ("torch", "BoolStorage") => element(ElementType::Bool),
        _ => Err(TorchScriptError::Global {
            name: format!("{module}.{name}"),
        }),
    }
}

/// Elements from the first to the last that a tensor reaches, both included; `None`
/// where that does not fit a `usize`.
fn window(shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let mut last = 0_usize;
    for (&size, &stride) in shape.iter().zip(strides) {
        last = last.checked_add((size - 1).checked_mul(stride)?)?;
    }
    last.checked_add(1)
}

/// A little-endian number in two's complement; `None` where it does not fit an `i64`.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let is_negative = bytes.last().is_some_and(|&byte| byte >> 7 == 1);
    let mut full = [if is_negative { 0xff } else { 0 }; 8];
    full[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(full))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn error(bytes: &[u8]) -> TorchScriptError {
        Pickle::parse(bytes).err().unwrap()
    }

    /// A tensor of a storage of 24 floats, by the text of the numbers' operations.
    fn tensor(offset: &[u8], sizes: &[u8], strides: &[u8]) -> Vec<u8> {
        [
            &b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("[..],
            b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x18tQ",
            offset,
            sizes,
            strides,
            b"\x89ccollections\nOrderedDict\n)RtR.",
        ]
        .concat()
    }

    #[test]
    fn a_tensor_is_a_view_of_its_storage() {
        let pickle =
            Pickle::parse(&tensor(b"K\x02", b"K\x03K\x04\x86", b"K\x05K\x01\x86")).unwrap();
        let Value::Tensor(view) = pickle.get(pickle.root) else {
            unreachable!("{:?}", pickle.get(pickle.root));
        };
        assert_eq!(view.storage.key, "0");
        assert_eq!(
            (view.storage.element, view.storage.len),
            (ElementType::F32, 24)
        );
        assert_eq!((view.offset, view.window), (2, 14));
        assert_eq!(
            (view.shape.as_slice(), view.strides.as_slice()),
            (&[3, 4][..], &[5, 1][..])
        );
    }

    #[test]
    fn views_beyond_their_storage_are_refused() {
        let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
        for bytes in [
            tensor(b"K\x0b", b"K\x03K\x04\x86", b"K\x05K\x01\x86"),
            tensor(b"K\x00", b"K\x19\x85", b"K\x01\x85"),
            tensor(huge, b"K\x01\x85", b"K\x01\x85"),
            tensor(b"K\x00", &[&huge[..], b"\x85"].concat(), b"K\x00\x85"),
            tensor(b"K\x00", b"K\x02\x85", &[&huge[..], b"\x85"].concat()),
        ] {
            let result = Pickle::parse(&bytes);
            // A stride of 0 repeats an element: the view is within, its bytes are told by
            // whoever makes room for them.
            let is_repeated = bytes.windows(3).any(|window| window == b"K\x00\x85");
            assert_eq!(result.is_ok(), is_repeated, "{bytes:?}");
        }
        let negative = tensor(b"K\x00", b"J\xff\xff\xff\xff\x85", b"K\x01\x85");
        assert!(matches!(
            error(&negative),
            TorchScriptError::Malformed { .. }
        ));
    }

    #[test]
    fn classes_and_functions_that_are_not_known_are_named_and_never_called() {
        for (bytes, name) in [
            (
                &b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R."[..],
                "posix.system",
            ),
            (b"\x80\x02cbuiltins\neval\n.", "builtins.eval"),
            (b"\x80\x02c__torch__evil\nM\n.", "__torch__evil.M"),
            (b"\x80\x02ctorch\nload\n.", "torch.load"),
        ] {
            let expected = TorchScriptError::Global {
                name: name.to_owned(),
            };
            assert_eq!(error(bytes), expected);
        }
    }

    #[test]
    fn operations_that_are_not_needed_are_named() {
        // INST, STACK_GLOBAL, EXT1, BYTEARRAY8, DUP.
        for code in [b'i', 0x93, 0x82, 0x96, b'2'] {
            assert_eq!(
                error(&[0x80, 2, b'N', code]),
                TorchScriptError::Opcode { code, position: 3 }
            );
        }
    }

    #[test]
    fn stacks_that_lack_something_are_malformed() {
        for bytes in [
            &b""[..],
            b"\x80",
            b"\x80\x02.",
            b"\x80\x02t.",
            b"\x80\x02N(\x85.",
            b"\x80\x02N(N\x86.",
            b"\x80\x02N(q\x00.",
            b"\x80\x02h\x00.",
            b"\x80\x02Na.",
            b"\x80\x02NNb.",
            b"\x80\x02}(Nu.",
            b"\x80\x02X\xff\xff\xff\xffabc.",
            b"\x80\x02X\x01\0\0\0\xff.",
            b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.",
            b"\x80\x02ccollections\nOrderedDict\nN\x85R.",
            b"\x80\x02NQ.",
            b"\x80\x07N.",
        ] {
            let error = error(bytes);
            assert!(
                matches!(error, TorchScriptError::Malformed { .. }),
                "{bytes:?}: {error}"
            );
        }
    }

    #[test]
    fn a_pickle_that_grows_itself_is_bounded() {
        // Each tuple holds the one before twice: nothing is copied.
        let mut bytes = b"\x80\x02N".to_vec();
        for _ in 0..10_000 {
            bytes.extend_from_slice(b"q\x00h\x00\x86");
        }
        bytes.push(b'.');
        let pickle = Pickle::parse(&bytes).unwrap();
        assert_eq!(pickle.values.len(), 10_001);
        let too_many = [&b"\x80\x02"[..], &vec![b'N'; MAX_VALUES + 1]].concat();
        assert_eq!(
            error(&too_many),
            TorchScriptError::TooManyValues { limit: MAX_VALUES }
        );
    }

    #[test]
    fn numbers_have_the_value_that_they_were_written_with() {
        for (bytes, value) in [
            (&b""[..], 0),
            (b"\x05", 5),
            (b"\xff", -1),
            (b"\xff\x00", 255),
            (b"\x00\x00\x00\x00\x00\x00\x00\x80", i64::MIN),
        ] {
            assert_eq!(long(bytes), Some(value));
        }
    }
}
