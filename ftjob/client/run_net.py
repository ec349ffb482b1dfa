"""The net that a run trains, from its folder."""

from ftjob.client.handle import RunHandle
from ftjob.drawing.drawn_net import DrawnNet, net_of_documents
from ftjob.errors import StorageError
from ftjob.fs import documents
from ftjob.net.prototxt import parse_net
from ftjob.runfolder.records.plan import read_plan


def drawn_net_of(run: RunHandle) -> DrawnNet:
    """Return a run's net, as it is drawn. Raises StorageError where its plan or its net is not there yet or
    cannot be read, BadNetError."""
    folder = run.of_folder().bring_all()
    for path in (folder.plan, folder.train_val):
        if not path.exists():
            raise StorageError(f"{run.reference}: has no {path.name} yet: wait for its worker to begin")
    with documents.explained(folder.plan):
        plan = read_plan(folder.plan)
    with documents.explained(folder.train_val):
        text = documents.read_text(folder.train_val)
    return net_of_documents(run.name, run.run_id, plan, parse_net(text, folder.train_val.name))
