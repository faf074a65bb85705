"""What a study will take, before anything runs: jobs, hours and bytes, each with its origin."""
