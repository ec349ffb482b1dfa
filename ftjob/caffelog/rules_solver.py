"""Caffe's fatal messages about the solver, the command line and the files it reads and writes."""

from ftjob.caffelog.rule import FatalRule
from ftjob.errors import BadDataError, BadNetError, BadSpecError, StorageError
from ftjob.net.lr_policy import POLICY_FIELDS
from ftjob.net.solver_types import SOLVER_TYPES

SOLVER_RULES = (
    # upgrade_proto.cpp, io.cpp
    FatalRule(
        r"Failed to parse (?:Net|Solver)Parameter file: (?P<path>.*prototxt)",
        BadNetError,
        "{path}:{parse}",
        "correct the prototxt there",
    ),
    FatalRule(
        r"Failed to parse SolverParameter file: (?P<path>.*)",
        BadNetError,
        "{path}:{parse}",
        "give the solver's prototxt to -solver",
    ),
    FatalRule(
        r"Failed to parse NetParameter file: (?P<path>.*)(?=[\s\S]*too big \(more than (?P<most>\d+) bytes)",
        BadNetError,
        "{path} has more than {most} bytes, the most that this Caffe's protobuf reads",
        "leave out the layers that the net does not take, or let Caffe save it as HDF5 (snapshot_format); a "
        "limit below 2 GB is set in Caffe's io.cpp",
    ),
    FatalRule(
        r"Failed to parse NetParameter file: (?P<path>.*)",
        BadNetError,
        "{path} is cut off or is not a caffemodel",
        "fetch it again",
    ),
    FatalRule(
        r"File not found: (?P<path>.*(?:prototxt|caffemodel|solverstate|\.h5))$",
        BadNetError,
        "there is no file {path}",
        "fix the path",
    ),
    FatalRule(
        r"File not found: (?P<path>.*)",
        BadDataError,
        "there is no file {path}, which {layer} of {net} reads",
        "fix the path",
    ),
    FatalRule(
        r"Couldn't open (?P<path>.*) to save",
        StorageError,
        "{path} cannot be written: the disk is full, or its folder is missing or not writable",
        "free some space, create the folder, or change snapshot_prefix",
    ),
    FatalRule(
        r"Couldn't open (?P<path>.*)",
        BadNetError,
        "{path} cannot be opened",
        "fix the path",
    ),
    FatalRule(
        r"SerializeToOstream|Error saving (?:weights|solver state)",
        StorageError,
        "the snapshot cannot be written: the disk is full, or the folder of snapshot_prefix is missing or "
        "not writable",
        "free some space or create the folder, and submit again",
    ),
    FatalRule(
        r"Cannot write to snapshot prefix '(?P<path>[^']*)'",
        StorageError,
        "snapshots cannot be written to {path}: its folder is not there, or is another user's",
        "make the folder, or change snapshot_prefix",
    ),
    # sgd_solver.cpp, solver.cpp, solver_factory.hpp
    FatalRule(
        r"history_size|Incorrect length of history",
        BadNetError,
        "the solverstate is not of this net and solver",
        "start anew, with its caffemodel as weights",
        "base:\n  weights: ...   # the .caffemodel beside it",
    ),
    FatalRule(
        r"Unknown solver type: (?P<type>\S+)",
        BadSpecError,
        f"solver.type {{type}} is not one of {', '.join(sorted(SOLVER_TYPES))}",
        patch="solver:\n  type: SGD",
    ),
    FatalRule(
        r"Unknown learning rate policy: ?$",
        BadSpecError,
        "the solver has no lr_policy",
        "give it one, such as fixed",
        "solver:\n  lr_policy: fixed",
    ),
    FatalRule(
        r"Unknown learning rate policy: (?P<policy>\S+)",
        BadSpecError,
        f"solver.lr_policy {{policy}} is not one of {', '.join(POLICY_FIELDS)}",
        patch="solver:\n  lr_policy: step",
    ),
    FatalRule(
        r"Momentum cannot be used with (?P<type>\w+)",
        BadSpecError,
        "solver.type {type} takes no momentum",
        "set solver.momentum to 0",
        "solver:\n  momentum: 0",
    ),
    FatalRule(
        r"test_iter must be specified for each test net",
        BadSpecError,
        "the solver has another number of test_iter than of TEST nets",
        "give one test_iter for each TEST net, and none where there is no TEST net",
    ),
    FatalRule(
        r"param_\.test_interval\(\)",
        BadSpecError,
        "the solver has a TEST net and no test_interval",
        "give test_interval",
        "solver:\n  test_interval: ...",
    ),
    FatalRule(
        r"must (?:specify a train net|not contain more than)",
        BadSpecError,
        "the solver names no net to train, or more than one",
        "give one of net, train_net, net_param and train_net_param",
    ),
    # caffe.cpp
    FatalRule(
        r"Need a solver definition|FLAGS_solver",
        BadSpecError,
        "`caffe train` was given no solver",
        "name its prototxt with -solver",
    ),
    FatalRule(
        r"Give a snapshot to resume|FLAGS_snapshot",
        BadSpecError,
        "`caffe train` was given a snapshot and weights",
        "give -snapshot with a .solverstate to resume, or -weights with a .caffemodel to begin with its "
        "weights",
    ),
    FatalRule(
        r"Unknown action: (?P<verb>\S*)",
        BadSpecError,
        "`caffe {verb}` is not one of device_query, test, time, train",
        "correct the command",
    ),
)
