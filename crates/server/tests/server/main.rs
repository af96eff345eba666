//! The server as a process, from outside: what it promises about access, bad input, load, crashes and clients.

mod access;
mod assign_load;
mod bad_input;
mod bakeoffs;
mod bombs;
mod brand;
mod campaigns;
mod clients;
mod crash;
mod documented;
mod drawing;
mod experiments;
mod load;
mod overload;
mod page;
mod prices;
mod stable_diffusion;
mod support;
