//! Sampling and scoring through small models.
