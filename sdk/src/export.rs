//! From an [`Experiment`] to what the ABI exports.

use std::marker::PhantomData;
use std::sync::Arc;

use emhost_abi::{Export, Failure, Host, Plugin, check_cells};

use crate::experiment::manifest;
use crate::{Experiment, Lab, logging, params};

/// Exports an [`Experiment`] as the plugin of this library.
#[macro_export]
macro_rules! export_experiment {
    ($experiment:ty) => {
        const _: () = {
            struct ThisLibrary;
            impl $crate::__private::Library for ThisLibrary {
                type Experiment = $experiment;
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            }
            $crate::__private::export_plugin!($crate::__private::Exported<ThisLibrary>);
        };
    };
}

/// What [`export_experiment!`](crate::export_experiment) knows of the library that it is used in.
#[doc(hidden)]
pub trait Library: 'static {
    /// The experiment.
    type Experiment: Experiment;
    /// The crate's version.
    const VERSION: &'static str;
}

/// The ABI's view of a library.
#[doc(hidden)]
pub struct Exported<L>(PhantomData<L>);

impl<L: Library> Export for Exported<L> {
    fn manifest() -> Result<String, Failure> {
        logging::install();
        let manifest = manifest::<L::Experiment>(L::VERSION);
        serde_json::to_string(&manifest).map_err(|error| Failure::plugin(format!("cannot write the manifest: {error}")))
    }

    fn create(params: &str, host: Arc<dyn Host>) -> Result<Box<dyn Plugin>, Failure> {
        logging::install();
        logging::send_to(&host);
        let _entered = logging::enter(&host);
        let experiment = L::Experiment::new(params::parse(params)?)?;
        Ok(Box::new(Instance { experiment, host }))
    }
}

/// An experiment with its host.
struct Instance<E> {
    experiment: E,
    host: Arc<dyn Host>,
}

impl<E: Experiment> Plugin for Instance<E> {
    fn plan(&self) -> Result<String, Failure> {
        let _entered = logging::enter(&self.host);
        let cells = self.experiment.plan()?;
        check_cells(&cells)?;
        serde_json::to_string(&cells).map_err(|error| Failure::plugin(format!("cannot write the plan: {error}")))
    }

    fn run(&self, cell: &str) -> Result<(), Failure> {
        let _entered = logging::enter(&self.host);
        let cell =
            serde_json::from_str(cell).map_err(|error| Failure::plugin(format!("cannot read the cell: {error}")))?;
        Ok(self.experiment.run(&cell, &Lab::new(Arc::clone(&self.host)))?)
    }

    fn summarize(&self) -> Result<(), Failure> {
        let _entered = logging::enter(&self.host);
        Ok(self.experiment.summarize(&Lab::new(Arc::clone(&self.host)))?)
    }
}
