"""The table of what Caffe says before it ends; of several rules that hold the first counts."""

from ftjob.caffelog.rules_data import DATA_RULES
from ftjob.caffelog.rules_device import DEVICE_RULES
from ftjob.caffelog.rules_lmdb import LMDB_RULES
from ftjob.caffelog.rules_net import NET_RULES
from ftjob.caffelog.rules_solver import SOLVER_RULES

RULES = (*NET_RULES, *LMDB_RULES, *DATA_RULES, *DEVICE_RULES, *SOLVER_RULES)
