//! Interventions against composed computations and goldens.
