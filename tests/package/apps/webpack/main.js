import { Siskin } from 'siskin';
import { report, trySiskin } from './try_siskin.js';

report(trySiskin(Siskin));
