<?php
// The site's hash-chained audit log: appending, reading, verifying, exporting; and checkpoints.
