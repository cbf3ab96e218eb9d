//! The keys of the places where commands run: machines of Systems Manager, the fleet of a service, and containers.

use super::{NAMES, count};
use crate::blueprint::shape::{Field, Need, Record, Shape};

use Shape::{Filled, Flag, List, Named, Path, Template, Text};

record! { SSM "Systems Manager block" {
    may "targets" Shape::Record(&TARGETS), "the machines: `instances`, or `tags`";
    may "directory" Filled, "where commands run on them; `/` without it";
    may "region" Filled, "the AWS region; as the `aws` command finds it";
    may "profile" Filled, "the AWS profile; as the `aws` command finds it";
    may "endpoint" Filled, "the address of Systems Manager, when it is not AWS";
    may "document" Filled, "a document with the parameters of `AWS-RunShellScript`, which is the default";
    may "state_directory" Filled, "where a machine remembers what it was asked; `/var/lib/outpost`";
    may "delivery_timeout" Shape::Count { min: 30, max: 2_592_000 }, "seconds until a machine has taken a command; 600";
    may "patience" count(0), "seconds that AWS may be out of reach before the end counts as unknown; 900";
    may "output" Shape::Record(&SSM_OUTPUT), "where machines leave output that is longer than Systems Manager shows";
    may "max_concurrency" Filled, "of many machines, how many at once: a number or a percentage";
    may "max_errors" Filled, "how many may fail before no more are begun: a number or a percentage";
    may "contain" Flag, "hold the work together by a cgroup where that can be done, which is the default";
    may "send_secrets" Flag, "whether secrets may be part of a command, which AWS shows for thirty days";
}}

record! { TARGETS "targets block" {
    may "instances" NAMES, "ids of machines, 50 at most";
    may "tags" List(&Shape::Record(&TAG)), "machines that have all of these tags, 5 at most";
}}

record! { TAG "tag" {
    must "name" Filled, "the name of the tag";
    must "values" NAMES, "a machine has one of them";
}}

record! { SSM_OUTPUT "output bucket" {
    must "bucket" Filled, "the bucket";
    may  "prefix" Text, "put before every key";
}}

record! { FLEET "fleet block" {
    may "url" Filled, "the address of the service; `OUTPOST_API_URL` without it";
    may "repo" Filled, "what the workspace is a clone of: `owner/name` or an address; without it, it is empty";
    may "ref" Filled, "a branch, a tag or a commit; the repository's own choice without it";
    may "push" Filled, "the remote of the project through which `repo` gets what an agent begins with, such as `origin`";
    may "directory" Filled, "the folder of the workspace in which commands begin";
    may "labels" Named(&Filled), "words for the jobs, beside those of the run";
    may "patience" count(0), "seconds that the service may be silent, or have no room; 3600";
    may "send_secrets" Flag, "whether secrets may be part of a job, which the service keeps and shows to the tenant";
}}

record! { CONTAINER "container block" {
    must "image" Filled, "what the commands run in; it has their shell";
    may  "engine" Shape::Word(ENGINES), "which engine, instead of the first that answers";
    may  "network" Filled, "`none`, `host` or the name of one; the engine's default without it";
    may  "env" Named(&Template), "variables on top of the task's";
    may  "mounts" List(&Shape::Record(&MOUNT)), "more of this machine than the project";
    may  "user" Filled, "instead of who runs the blueprint";
    may  "workdir" Filled, "instead of the working directory";
}}

/// The engines that are asked, in this order.
pub const ENGINES: &[&str] = &["docker", "podman"];

record! { MOUNT "mount" {
    must "source" Path, "the folder or file; relative ones begin in the working directory";
    may  "target" Filled, "its absolute path in the container; the same without it";
    may  "read_only" Flag, "whether it can only be read";
}}
