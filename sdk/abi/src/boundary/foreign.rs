//! Each side's view of the other: plain traits over the method tables, and back.

use std::sync::Arc;

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RErr, ROk, ROption, RResult, RStr, RString};

use super::{ArrowStream, CallReply, HostApi, HostApi_TO, HostBox, PluginApi, PluginApi_TO, PluginBox};
use crate::{Failure, Host, Level, LogRecord, Plugin, Reader, panics};

/// Lends a host to a plugin.
pub fn host_box(host: Arc<dyn Host>) -> HostBox {
    HostApi_TO::from_value(LocalHost(host), TD_Opaque)
}

/// Hands an experiment to the host. Its panics, also while it is dropped, become failures.
pub fn plugin_box(plugin: Box<dyn Plugin>) -> PluginBox {
    PluginApi_TO::from_value(LocalPlugin(Some(plugin)), TD_Opaque)
}

/// The host of another library.
pub struct ForeignHost(pub HostBox);

impl Host for ForeignHost {
    fn log(&self, record: LogRecord<'_>) {
        self.0.log(record);
    }

    fn log_level(&self) -> Level {
        self.0.log_level()
    }

    fn progress(&self, done: u64, total: u64, message: &str) -> bool {
        self.0.progress(done, total, message.into())
    }

    fn call(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure> {
        let input = input.map(ArrowStream::new).into();
        let reply = self.0.call(op.into(), arguments.into(), input).into_result()?;
        Ok((reply.json.into_string(), import(reply.stream)?))
    }

    fn emit(&self, table: &str, rows: Reader) -> Result<(), Failure> {
        self.0.emit(table.into(), ArrowStream::new(rows)).into_result()
    }
}

/// The experiment of another library.
pub struct ForeignPlugin(pub PluginBox);

impl Plugin for ForeignPlugin {
    fn plan(&self) -> Result<String, Failure> {
        self.0.plan().into_result().map(RString::into_string)
    }

    fn run(&self, cell: &str) -> Result<(), Failure> {
        self.0.run(cell.into()).into_result()
    }

    fn summarize(&self) -> Result<(), Failure> {
        self.0.summarize().into_result()
    }
}

struct LocalHost(Arc<dyn Host>);

impl HostApi for LocalHost {
    fn log(&self, record: LogRecord<'_>) {
        // A log that panics must not end the run.
        let _ = panics::catch(|| self.0.log(record));
    }

    fn log_level(&self) -> Level {
        panics::catch(|| self.0.log_level()).unwrap_or(Level::INFO)
    }

    fn progress(&self, done: u64, total: u64, message: RStr<'_>) -> bool {
        panics::catch(|| self.0.progress(done, total, message.as_str())).unwrap_or(false)
    }

    fn call(&self, op: RStr<'_>, arguments: RStr<'_>, input: ROption<ArrowStream>) -> RResult<CallReply, Failure> {
        let reply = in_host(op.as_str(), || {
            let (json, stream) = self.0.call(op.as_str(), arguments.as_str(), import(input)?)?;
            Ok(CallReply { json: json.into(), stream: stream.map(ArrowStream::new).into() })
        });
        reply.into()
    }

    fn emit(&self, table: RStr<'_>, rows: ArrowStream) -> RResult<(), Failure> {
        in_host("emit", || self.0.emit(table.as_str(), rows.into_reader().map_err(broken_stream)?)).into()
    }
}

struct LocalPlugin(Option<Box<dyn Plugin>>);

impl LocalPlugin {
    fn guarded<T>(&self, entry: &str, body: impl FnOnce(&dyn Plugin) -> Result<T, Failure>) -> RResult<T, Failure> {
        let plugin = self.0.as_deref().expect("the experiment is there until it is dropped");
        match panics::guard(entry, || body(plugin)) {
            Ok(value) => ROk(value),
            Err(failure) => RErr(failure),
        }
    }
}

impl PluginApi for LocalPlugin {
    fn plan(&self) -> RResult<RString, Failure> {
        self.guarded("plan", |plugin| plugin.plan().map(RString::from))
    }

    fn run(&self, cell: RStr<'_>) -> RResult<(), Failure> {
        self.guarded("run", |plugin| plugin.run(cell.as_str()))
    }

    fn summarize(&self) -> RResult<(), Failure> {
        self.guarded("summarize", |plugin| plugin.summarize())
    }
}

impl Drop for LocalPlugin {
    fn drop(&mut self) {
        let plugin = self.0.take();
        // The run is over; a panic of the destructor must not end the process.
        let _ = panics::catch(|| drop(plugin));
    }
}

fn import(stream: ROption<ArrowStream>) -> Result<Option<Reader>, Failure> {
    stream.into_option().map(ArrowStream::into_reader).transpose().map_err(broken_stream)
}

fn broken_stream(error: arrow::error::ArrowError) -> Failure {
    Failure::plugin(format!("cannot import a stream: {error}"))
}

/// A panic of the host itself is reported as what the operations are about.
fn in_host<T>(op: &str, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panics::catch(body).unwrap_or_else(|panic| {
        Err(Failure::new(crate::kind::MODEL, format!("the host {panic} (in operation `{op}`)")))
    })
}
