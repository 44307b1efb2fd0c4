//! The parser reads a GGUF header from its first byte to its last.

use super::header::{
    Gguf, MAX_COUNT, MAX_DIMS, MAX_NAME_BYTES, MAX_STRING_BYTES, MAX_STRINGS, TensorInfo,
    alignment, place, size_bytes,
};
use super::input::Input;
use crate::format::metadata::{Array, Metadata, StringArray, Value};
use crate::format::{malformed, quoted};
use crate::quant::DType;
use crate::{Code, Error, Result};
use std::rc::Rc;

/// Reads a header; waits at any byte that has not come.
///
/// # Errors
/// Those of `GgufReader::push`.
pub(super) async fn parse(input: Rc<Input>) -> Result<Gguf> {
    magic(&input).await?;
    let version = version(&input).await?;
    let tensor_count = count(&input, "tensors").await?;
    let key_count = count(&input, "metadata keys").await?;

    let mut metadata = Metadata::new();
    for _ in 0..key_count {
        let key = string(&input, MAX_NAME_BYTES, "A metadata key").await?;
        let value = value(&input, &key).await?;
        if metadata.get(&key).is_some() {
            return Err(malformed(format!("{} comes twice", metadata_at(&key))));
        }
        metadata.insert(key, value);
    }

    let alignment = alignment(&metadata)?;
    let mut tensors = Vec::new();
    for _ in 0..tensor_count {
        tensors.push(tensor(&input, alignment).await?);
    }
    let header_bytes = input.taken_bytes();
    let data_offset = header_bytes.next_multiple_of(alignment);
    place(&mut tensors, data_offset)?;
    let size_bytes = tensors.last().map_or(header_bytes, TensorInfo::end);
    Ok(Gguf {
        version,
        metadata,
        tensors,
        alignment,
        data_offset,
        size_bytes,
    })
}

async fn magic(input: &Input) -> Result<()> {
    let mut head = Vec::new();
    for expected in *b"GGUF" {
        input.append(1, &mut head).await?;
        if head.last() != Some(&expected) {
            return Err(not_gguf(input, head).await?);
        }
    }
    Ok(())
}

/// Returns the error that says what the file is instead of a GGUF file.
///
/// Servers send web pages for models that are not there, so the bytes get a second look: past a
/// byte order mark and blanks, a page begins with a tag.
async fn not_gguf(input: &Input, mut head: Vec<u8>) -> Result<Error> {
    const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
    const MAX_BLANKS: usize = 1024;
    while head.len() < MAX_BLANKS {
        let text = head
            .strip_prefix(&BYTE_ORDER_MARK)
            .unwrap_or(&head)
            .trim_ascii_start();
        match text {
            [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..] => {
                return Ok(Error::new(
                    Code::HtmlNotModel,
                    "A web page came where a model was expected: the address is wrong, or the \
                     server asks for a login; open it in a browser to see.",
                ));
            }
            [] | [b'<'] => input.append(1, &mut head).await?,
            _ if BYTE_ORDER_MARK.starts_with(&head) => input.append(1, &mut head).await?,
            _ => break,
        }
    }
    Ok(Error::new(
        Code::NotGguf,
        "This is not a GGUF file, for it does not begin with \"GGUF\"; choose a model file whose \
         name ends in .gguf.",
    ))
}

async fn version(input: &Input) -> Result<u32> {
    let version = input.u32().await?;
    let advice = match version {
        2 | 3 => return Ok(version),
        _ if matches!(version.swap_bytes(), 2 | 3) => {
            "it is written for big-endian machines; choose the little-endian file"
        }
        0 | 1 => "it is too old; choose a newer conversion of the model",
        _ => {
            "it is newer than this Siskin; update Siskin, or choose another conversion of the model"
        }
    };
    Err(Error::new(
        Code::GgufVersion,
        format!(
            "Siskin reads GGUF versions 2 and 3, but the file has version {version}: {advice}."
        ),
    ))
}

async fn count(input: &Input, what: &str) -> Result<u64> {
    match input.u64().await? {
        count @ 0..=MAX_COUNT => Ok(count),
        count => Err(malformed(format!("The header claims {count} {what}"))),
    }
}

async fn string(input: &Input, max_bytes: u64, what: &str) -> Result<String> {
    let mut text = Vec::new();
    append_string(input, max_bytes, what, &mut text).await?;
    String::from_utf8(text).map_err(|_| malformed(format!("{what} is not UTF-8")))
}

/// Reads the string of a metadata key. What is not UTF-8, such as a description in Latin-1, becomes
/// U+FFFD, for the file may be good all the same.
async fn text(input: &Input, key: &str) -> Result<Box<str>> {
    let mut text = Vec::new();
    append_string(input, MAX_STRING_BYTES, &metadata_at(key), &mut text).await?;
    Ok(String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        .into())
}

async fn append_string(input: &Input, max_bytes: u64, what: &str, out: &mut Vec<u8>) -> Result<()> {
    let len_bytes = input.u64().await?;
    if len_bytes > max_bytes {
        return Err(malformed(format!(
            "{what} claims a length of {len_bytes} bytes"
        )));
    }
    input.append(len_bytes as usize, out).await
}

async fn value(input: &Input, key: &str) -> Result<Value> {
    Ok(match input.u32().await? {
        0 => u8::from_le_bytes(input.array().await?).into(),
        1 => i8::from_le_bytes(input.array().await?).into(),
        2 => u16::from_le_bytes(input.array().await?).into(),
        3 => i16::from_le_bytes(input.array().await?).into(),
        4 => u32::from_le_bytes(input.array().await?).into(),
        5 => i32::from_le_bytes(input.array().await?).into(),
        6 => f32::from_le_bytes(input.array().await?).into(),
        7 => bool_from(input.array().await?).into(),
        8 => Value::String(text(input, key).await?),
        9 => Value::Array(array(input, key).await?),
        10 => u64::from_le_bytes(input.array().await?).into(),
        11 => i64::from_le_bytes(input.array().await?).into(),
        12 => f64::from_le_bytes(input.array().await?).into(),
        unknown => {
            return Err(malformed(format!(
                "{} has the unknown type {unknown}",
                metadata_at(key)
            )));
        }
    })
}

async fn array(input: &Input, key: &str) -> Result<Array> {
    let item_type = input.u32().await?;
    let count = input.u64().await?;
    Ok(match item_type {
        0 => Array::U8(items(input, count, |bytes| Ok(u8::from_le_bytes(bytes))).await?),
        1 => Array::I8(items(input, count, |bytes| Ok(i8::from_le_bytes(bytes))).await?),
        2 => Array::U16(items(input, count, |bytes| Ok(u16::from_le_bytes(bytes))).await?),
        3 => Array::I16(items(input, count, |bytes| Ok(i16::from_le_bytes(bytes))).await?),
        4 => Array::U32(items(input, count, |bytes| Ok(u32::from_le_bytes(bytes))).await?),
        5 => Array::I32(items(input, count, |bytes| Ok(i32::from_le_bytes(bytes))).await?),
        6 => Array::F32(items(input, count, |bytes| Ok(f32::from_le_bytes(bytes))).await?),
        7 => Array::Bool(items(input, count, |bytes| Ok(bool_from(bytes))).await?),
        8 => Array::String(strings(input, count, key).await?),
        9 => {
            return Err(malformed(format!(
                "{} is an array of arrays, which no model needs",
                metadata_at(key)
            )));
        }
        10 => Array::U64(items(input, count, |bytes| Ok(u64::from_le_bytes(bytes))).await?),
        11 => Array::I64(items(input, count, |bytes| Ok(i64::from_le_bytes(bytes))).await?),
        12 => Array::F64(items(input, count, |bytes| Ok(f64::from_le_bytes(bytes))).await?),
        unknown => {
            return Err(malformed(format!(
                "{} is an array of the unknown type {unknown}",
                metadata_at(key)
            )));
        }
    })
}

async fn items<T, const N: usize>(
    input: &Input,
    count: u64,
    item: impl Fn([u8; N]) -> Result<T>,
) -> Result<Box<[T]>> {
    let count = input.afford(count, N as u64)?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(input.array().await?)?);
    }
    Ok(items.into())
}

/// Reads the strings of a metadata key. Those of a vocabulary must be UTF-8, for another text would
/// be another token; in others, what is not UTF-8 becomes U+FFFD.
///
/// # Errors
/// `gguf_malformed`.
async fn strings(input: &Input, count: u64, key: &str) -> Result<StringArray> {
    // A string takes at least 8 bytes of the file: its length.
    let count = input.afford(count, 8)?;
    let what = metadata_at(key);
    if count > MAX_STRINGS {
        return Err(malformed(format!("{what} claims {count} strings")));
    }
    let is_vocabulary = key.starts_with("tokenizer.");
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let start = text.len();
        append_string(input, MAX_STRING_BYTES, &what, &mut text).await?;
        if !is_vocabulary && std::str::from_utf8(&text[start..]).is_err() {
            let replaced = String::from_utf8_lossy(&text[start..]).into_owned();
            text.truncate(start);
            text.extend_from_slice(replaced.as_bytes());
        }
        ends.push(text.len());
    }
    StringArray::from_parts(text, ends)
        .ok_or_else(|| malformed(format!("{what} has a string that is not UTF-8")))
}

/// Reads a bool as ggml does: every byte but 0 is true.
fn bool_from([byte]: [u8; 1]) -> bool {
    byte != 0
}

/// Reads a tensor's entry; the returned `offset` still counts from the beginning of the data.
async fn tensor(input: &Input, alignment: u64) -> Result<TensorInfo> {
    let name = string(input, MAX_NAME_BYTES, "A tensor's name").await?;
    let dim_count = input.u32().await?;
    if dim_count > MAX_DIMS {
        return Err(malformed(format!(
            "The tensor {} claims to have {dim_count} dimensions",
            quoted(&name)
        )));
    }
    let mut dims = Vec::new();
    for _ in 0..dim_count {
        dims.push(input.u64().await?);
    }
    let dtype = dtype(input.u32().await?, &name)?;
    let offset = input.u64().await?;

    let size_bytes = size_bytes(dtype, &dims).ok_or_else(|| {
        malformed(format!(
            "The tensor {} of type {} cannot have the shape {dims:?}",
            quoted(&name),
            dtype.name()
        ))
    })?;
    if offset % alignment != 0 {
        return Err(Error::new(
            Code::GgufTensorMisaligned,
            format!(
                "The tensor {} lies at {offset}, which is no multiple of {alignment}; the file is \
                 damaged: download it again.",
                quoted(&name)
            ),
        ));
    }
    Ok(TensorInfo {
        name,
        dtype,
        dims,
        offset,
        size_bytes,
    })
}

fn dtype(number: u32, tensor: &str) -> Result<DType> {
    DType::from_ggml(number).ok_or_else(|| {
        let readable = DType::ALL
            .iter()
            .map(|dtype| dtype.name())
            .collect::<Vec<_>>()
            .join(", ");
        Error::new(
            Code::TensorType,
            format!(
                "The tensor {} is of ggml's type {number}, which Siskin does not read; choose a \
                 file of one of the types {readable}.",
                quoted(tensor)
            ),
        )
    })
}

fn metadata_at(key: &str) -> String {
    format!("The metadata {}", quoted(key))
}
