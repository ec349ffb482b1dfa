"""The table of Caffe's fatal messages; the first rule that matches counts."""

from ftjob.caffelog.rules_data import DATA_RULES
from ftjob.caffelog.rules_device import DEVICE_RULES
from ftjob.caffelog.rules_lmdb import LMDB_RULES
from ftjob.caffelog.rules_net import NET_RULES
from ftjob.caffelog.rules_solver import SOLVER_RULES

RULES = (*NET_RULES, *LMDB_RULES, *DATA_RULES, *DEVICE_RULES, *SOLVER_RULES)
