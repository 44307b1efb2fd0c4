//! The one error type has a stable code for programs and a sentence for people.

use std::fmt;

/// Stands for the result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what went wrong and what to do.
///
/// ```
/// use siskin::{Code, format::gguf::GgufReader};
///
/// let error = GgufReader::new().push(b"PK\x03\x04, a zip archive").unwrap_err();
/// assert_eq!(error.code, Code::NotGguf);
/// assert_eq!(error.code.as_str(), "not_gguf");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Holds the kind of error. A code never changes its meaning between releases.
    pub code: Code,
    /// Tells people what went wrong and what to do.
    pub message: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Names every way in which Siskin fails.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Lists every code.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// Returns the name that JavaScript sees as `SiskinError.code`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The bytes do not begin with "GGUF".
    NotGguf = "not_gguf",
    /// An HTML page (an error page, a login form) came where a model was expected.
    HtmlNotModel = "html_not_model",
    /// The file has a GGUF version other than 2 or 3.
    GgufVersion = "gguf_version",
    /// The file ended before its header or its tensors did.
    GgufTruncated = "gguf_truncated",
    /// A count, length or offset in the header is impossible.
    GgufMalformed = "gguf_malformed",
    /// Two tensors share bytes.
    GgufTensorOverlap = "gguf_tensor_overlap",
    /// A tensor starts off the file's alignment.
    GgufTensorMisaligned = "gguf_tensor_misaligned",
    /// The files of a split model are not all there, not in their order, or not of one model.
    GgufSplit = "gguf_split",
    /// A tensor's data type is not one that Siskin reads.
    TensorType = "tensor_type",
    /// No decoder is written for the model's architecture, or for a part that it has.
    Architecture = "architecture",
    /// The header lacks a value that the model needs, or holds one of the wrong type or range.
    Metadata = "metadata",
    /// The file lacks a tensor that the architecture needs.
    TensorMissing = "tensor_missing",
    /// A tensor's shape does not fit the header.
    TensorShape = "tensor_shape",
    /// A weight's scale is NaN or infinite.
    TensorNotFinite = "tensor_not_finite",
    /// The vocabulary is of a kind that is not supported, or broken.
    Tokenizer = "tokenizer",
    /// The chat template does not parse or refused the messages.
    Template = "template",
    /// The prompt and the answer do not fit the context.
    ContextFull = "context_full",
    /// An argument from the caller is out of range or of the wrong type.
    InvalidArgument = "invalid_argument",
    /// The call was stopped.
    Aborted = "aborted",
    /// Another answer is being written.
    Busy = "busy",
    /// No model is loaded yet.
    NotLoaded = "not_loaded",
    /// Memory ran out.
    OutOfMemory = "out_of_memory",
    /// The model computed NaN: the file or the backend is broken.
    NotFinite = "not_finite",
    /// There is no usable graphics card: no adapter, or it gives no device.
    GpuUnavailable = "gpu_unavailable",
    /// The graphics card computes wrong numbers, or refuses a kernel.
    GpuRefused = "gpu_refused",
    /// The graphics card computes right numbers, but slower than the processor.
    GpuSlower = "gpu_slower",
    /// The model needs what the graphics card or its kernels do not have.
    GpuUnsupported = "gpu_unsupported",
    /// The graphics card's memory ran out.
    GpuOutOfMemory = "gpu_out_of_memory",
    /// The graphics card was reset, unplugged or taken away.
    GpuLost = "gpu_lost",
    /// A file could not be read or written (native only).
    Io = "io",
}

impl Code {
    /// Returns whether another device can go on where this one failed.
    pub fn is_device(self) -> bool {
        matches!(
            self,
            Self::GpuUnavailable
                | Self::GpuRefused
                | Self::GpuSlower
                | Self::GpuUnsupported
                | Self::GpuOutOfMemory
                | Self::GpuLost
        )
    }
}

impl Error {
    /// Makes an error of a code and a sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.as_str())
    }
}

impl std::error::Error for Error {}
