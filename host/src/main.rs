//! The emhost binary.

fn main() -> std::process::ExitCode {
    emhost::cli::main()
}
