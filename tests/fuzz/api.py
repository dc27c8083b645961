from tests.fuzz.running import Result


def run(seconds):
    return Result(name="dashboard-api", seconds=0)
