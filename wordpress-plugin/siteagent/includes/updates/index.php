<?php
// Updates: requirements, installation and results.
