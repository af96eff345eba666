//! `calotype`: the command line. Commands are one file each in `commands/`; everything they say goes
//! through [`report::Reporter`]; exit codes are decided here.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod report;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use report::Reporter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.version {
        // A reader may have seen enough and gone away.
        let _ = commands::version::run(cli.verbose, &mut std::io::stdout().lock());
        return ExitCode::SUCCESS;
    }
    let Some(command) = cli.command else {
        eprintln!("error: no command given; see `calotype --help`");
        return ExitCode::from(2);
    };
    let reporter = Reporter::new(is_json(&command));
    let result = match command {
        Command::Generate(args) => commands::generate::run(&args, &reporter),
        Command::Enlarge(args) => commands::enlarge::run(&args, &reporter),
        Command::Plan(args) => commands::plan::run(&args, &reporter),
        Command::Models(args) => commands::models::run(&args, &reporter),
        Command::Dataset(args) => commands::dataset::run(&args, &reporter),
        Command::Train(args) => commands::train::run(&args, &reporter),
        Command::Eval(args) => commands::eval::run(&args, &reporter),
        Command::Bench(args) => commands::bench::run(&args, &reporter),
        Command::Prices(args) => commands::prices::run(&args, &reporter),
        Command::Campaign(args) => commands::campaign::run(&args, &reporter),
        Command::Bakeoff(args) => commands::bakeoff::run(&args, &reporter),
        Command::Experiment(args) => commands::experiment::run(&args, &reporter),
        Command::Serve(args) => commands::serve::run(&args, &reporter),
        Command::Verify(args) => commands::verify::run(&args, &reporter),
        Command::Worker(args) => commands::serve::work(&args).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = report::exit_code(&error);
            reporter.error(&error, code);
            ExitCode::from(code)
        }
    }
}

fn is_json(command: &Command) -> bool {
    match command {
        Command::Generate(args) => args.job.run.json,
        Command::Enlarge(args) => args.run.json,
        Command::Plan(args) => args.job.run.json,
        Command::Models(args) => args.json,
        Command::Dataset(_) => false,
        Command::Train(args) => args.json,
        Command::Eval(args) => args.run.json,
        Command::Bench(args) => args.json,
        Command::Prices(args) => args.json,
        Command::Campaign(args) => args.command.studio().run.json,
        Command::Bakeoff(args) => args.command.studio().run.json,
        Command::Experiment(args) => args.command.json(),
        Command::Serve(args) => args.run.json,
        Command::Verify(args) => args.json,
        Command::Worker(_) => false,
    }
}
