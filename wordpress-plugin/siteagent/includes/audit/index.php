<?php
// The site's hash-chained audit log and its checkpoints.
