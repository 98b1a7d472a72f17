//! `clap`, which is named here only: what the files of the command line take of it.

pub(crate) use clap::builder::{OsStringValueParser, TypedValueParser};
pub(crate) use clap::error::ErrorKind;
pub(crate) use clap::{
    Arg as DefinitionOfOption, ArgGroup, Args, Command as Definition, CommandFactory, FromArgMatches, Parser,
    Subcommand, value_parser,
};
