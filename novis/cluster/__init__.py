"""Running on a cluster: settings, checks before the first job, one run at a time, jobs that go on."""
