//! Arrow's C stream as an ABI type, guarded against panics of the side that produces it.

use abi_stable::StableAbi;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow::record_batch::RecordBatchReader;

use crate::{Failure, Reader, panics};

/// A stream of record batches that crosses without copies.
///
/// The layout is Arrow's published C structure, so the check looks at its size and alignment only.
#[repr(transparent)]
#[derive(StableAbi)]
pub struct ArrowStream {
    #[sabi(unsafe_opaque_field)]
    stream: FFI_ArrowArrayStream,
}

impl ArrowStream {
    /// Exports a reader. A panic in it, also while it is dropped, becomes an error of the stream.
    pub fn new(reader: Reader) -> Self {
        let schema = reader.schema();
        Self { stream: FFI_ArrowArrayStream::new(Box::new(Guarded { schema, reader: Some(reader) })) }
    }

    /// Imports the stream that the other side exported.
    ///
    /// # Errors
    ///
    /// The stream was released already, or it cannot tell its schema.
    pub fn into_reader(self) -> Result<Reader, ArrowError> {
        Ok(Box::new(RecordBatchStreamReader::try_new(self.stream)?))
    }
}

/// A reader whose panics end the stream instead of the process.
struct Guarded {
    schema: SchemaRef,
    /// Taken away at the end of the stream and after an error.
    reader: Option<Reader>,
}

impl Guarded {
    fn release(&mut self) {
        let reader = self.reader.take();
        // The stream is over either way; what its destructor says has no one to go to.
        let _ = panics::catch(|| drop(reader));
    }
}

impl Iterator for Guarded {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let item = match panics::catch(|| reader.next()) {
            Ok(Some(Ok(batch))) => return Some(Ok(batch)),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(without_nul(error))),
            Err(panic) => Some(Err(Failure::plugin(format!("the stream {panic}")).to_stream())),
        };
        self.release();
        item
    }
}

impl RecordBatchReader for Guarded {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.release();
    }
}

/// Arrow turns the message into a C string and panics, inside an `extern "C"` function, where it cannot.
fn without_nul(error: ArrowError) -> ArrowError {
    let text = error.to_string();
    if text.contains('\0') { ArrowError::CDataInterface(text.replace('\0', " ")) } else { error }
}
