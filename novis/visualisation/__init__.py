"""Pictures of tracks drawn over frames."""
