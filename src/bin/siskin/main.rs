//! Runs the command line: answers from a model file, shows it, converts it and measures it.

mod arguments;
mod bench;
mod card;
mod compare;
mod convert;
mod eval;
mod files;
mod inspect;
mod kernels;
mod load;
mod merge;
mod product;
mod run;
mod shard;
mod synth;

use arguments::Arguments;
use files::show;
use siskin::{Code, Error, Result};
use std::process::ExitCode;

/// Holds the text of `siskin help`, whose table of commands needs lines of more than 100 columns.
const HELP: &str = "siskin: small language models, from GGUF files

  siskin run MODEL PROMPT [--system TEXT] [--max-tokens N] [--temperature T] [--seed N] [--context N]
                          [--draft-max N] [--chat-template-file FILE]
  siskin inspect MODEL [--tensors]
  siskin eval MODEL TEXTFILE [--tokens N]      perplexity and speed over the text's first N tokens (512)
  siskin compare MODEL [--prompt N]            every tensor of a step on the graphics card beside the processor's
  siskin convert IN OUT [--type TYPE]          the same model with its matrices in another type (Q4_0)
  siskin merge MODEL ADAPTER OUT [--scale S]   the model with a LoRA adapter in its weights, S (1) times as strong
  siskin shard MODEL --out DIR [--max SIZE]    pieces of at most SIZE (24MiB) with a manifest, for any static host
  siskin bench MODEL [--prompt N] [--generate N] [--rounds N] [--profile] [--shaders FOLDER]
  siskin bench --kernels                       the matrix products alone, in every format
  siskin bench MODEL --gpu --json              all that can be measured of the graphics card, as JSON
  siskin synth OUT [--shape NAME] [--type TYPE]  a model of a known shape with made-up weights, to measure with

  run, eval and bench compute on the processor, with --threads N of it, or with --gpu on the graphics card.
  With --adapter FILE [--scale S] they change the model by a LoRA adapter, S (1) times as strong.
  --gpu --cache-type q8_0 keeps keys and values in bytes there.
  bench --gpu --profile tells how long each shader took; --shaders writes the WGSL of those that ran.
";

fn main() -> ExitCode {
    let outcome = match Arguments::parse() {
        Ok(arguments) => command(&arguments),
        Err(error) => Err(Error::new(
            Code::InvalidArgument,
            format!("These arguments do not fit: {error}. See siskin help."),
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("siskin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that the arguments name.
fn command(arguments: &Arguments) -> Result<()> {
    match arguments.command() {
        Some("run") => run::run(arguments),
        Some("inspect") => inspect::inspect(arguments),
        Some("eval") => eval::eval(arguments),
        Some("compare") => compare::compare(arguments),
        Some("convert") => convert::convert(arguments),
        Some("merge") => merge::merge(arguments),
        Some("shard") => shard::shard(arguments),
        Some("bench") if arguments.option("kernels").is_some() => kernels::kernels(),
        Some("bench") if arguments.option("json").is_some() => card::card(arguments),
        Some("bench") => bench::bench(arguments),
        Some("synth") => synth::synth(arguments),
        Some("help") | None => show(HELP),
        Some(other) => Err(Error::new(
            Code::InvalidArgument,
            format!("There is no command \"{other}\". See siskin help."),
        )),
    }
}
