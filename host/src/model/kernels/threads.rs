//! Threads of candle's own.
#![expect(unsafe_code, reason = "candle reads a setting from the environment alone")]

/// Keeps candle's element-wise operations on the calling thread. Call it first in `main`.
///
/// By default they run on threads that spin at a barrier between two operations: a third of the processor in LoRA
/// training, taken from the passes that run side by side.
pub fn keep_candle_on_one_thread() {
    const SETTING: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(SETTING).is_none() {
        // SAFETY: no other thread exists yet that could read the environment.
        unsafe { std::env::set_var(SETTING, "1") };
    }
}
