"""Tables, figures and the HTML report from collected metrics."""
